// The grouped sparse projection in one launch: search and output.
//
// Vectors are cut into pieces, a piece belongs to a warp. An evaluation is a pass of all warps over their pieces, after
// which all blocks meet; the one that comes last does the second stage, from the sums of all pieces to the residual and
// the next multiplier, in an order that does not depend on which block it is, and tells the others. In a cluster each
// piece is told to all blocks, and each does the second stage for itself, with the same bits. So the whole safeguarded
// Newton needs one meeting a step and no word from the host. In large groups the pass at a multiplier below the root
// moves the survivors of each piece to the front of its part of the output, and later passes look only at those.

enum { M0, M1, M2, TOP, BEST, SUMS };
enum { ALPHA, FIRST, IS_DONE, COUNT, HINT, WORST, RUN };
// What a block knows, in shared memory: the search, what was found, an update's run. All of it is told.
enum { OUTCOME = STATE, GOAL, IS_LONG, SINGLES, BETA, RESTARTS, OF_RUN, TOLD = OF_RUN + RUN };
#define SAFE_LOW 1e-120
#define SAFE_HIGH 1e120
// Entries that a lane loads before it looks at them: a warp alone does not keep the memory busy otherwise.
#define BATCH 12
// From so many pieces a vector on average a warp adds them, else a thread.
#define MANY_PIECES 32
// The entry that a vector keeps is not known yet.
#define UNKNOWN -2

struct Group {
    const REAL *c, *w;
    integer w_kind; // 0: no weights, 1: one image for all vectors, 2: an entry for each of c
    const integer *vector, *start, *stop; // of each piece
    const integer *first; // pieces of vector i: first[i] to first[i + 1]
    const integer *offsets;
    const double *gain, *norm, *span;
    REAL* out;
    double* sums;
    double* spare; // of a cluster: the next pass's sums, as a slow block still reads these
    integer* live;
    integer pieces; // of all groups
    integer a, b; // its vectors
    double s;
};

// What is left of a projection.
struct Found {
    double *coef, *sparsities, *results;
    integer* best;
};

// Shared memory of a block: what it knows, a flag, and seven numbers a warp; more follows.
struct Own {
    double *state, *flag, *scratch;
};

static __device__ Own own_of(double* shared) {
    Own own = {shared, shared + TOLD, shared + TOLD + 1};
    return own;
}

// The block that came last lets the others go on, with what it knows.
static __device__ void tell(const Team& team, const Own& own) {
    __syncthreads();
    if (team.size > 1 && !team.is_cluster)
        for (int k = (int)threadIdx.x; k < TOLD; k += (int)blockDim.x) team.told[k] = own.state[k];
    release(team);
}

static __device__ void hear(const Team& team, const Own& own) {
    if (team.size > 1 && !team.is_cluster)
        for (int k = (int)threadIdx.x; k < TOLD; k += (int)blockDim.x) own.state[k] = team.told[k];
    __syncthreads();
}

// A number that all lanes have, for all blocks: a lane for each.
static __device__ void put(const Team& team, double* place, double x) {
    if (!team.is_cluster) {
        if (lane_of() == 0) *place = x;
        return;
    }
    for (int rank = lane_of(); rank < CLUSTER; rank += WARP) *at_block(place, rank) = x;
}

// The sums have been read.
static __device__ void turn(Group* g) {
    double* read = g->sums;
    g->sums = g->spare;
    g->spare = read;
}

static __device__ double weight_at(const Group& g, integer i, integer j) {
    return g.w_kind == 0 ? 1.0 : (double)g.w[g.w_kind == 1 ? j - g.offsets[i] : j];
}

// The entry that a vector keeps when nothing lies above the threshold.
struct Single {
    double value, weight, size;
    integer index;
};

static __device__ int is_better(const Single& a, const Single& b) {
    if (a.index < 0 || b.index < 0) return b.index < 0 && a.index >= 0;
    if (a.value != b.value) return a.value > b.value;
    if (a.weight != b.weight) return a.weight < b.weight;
    if (a.size != b.size) return a.size > b.size;
    return a.index < b.index;
}

static __device__ Single warp_best(Single own) {
    for (int d = WARP / 2; d > 0; d /= 2) {
        Single other;
        other.value = __shfl_xor_sync(EVERY_LANE, own.value, d);
        other.weight = __shfl_xor_sync(EVERY_LANE, own.weight, d);
        other.size = __shfl_xor_sync(EVERY_LANE, own.size, d);
        other.index = __shfl_xor_sync(EVERY_LANE, own.index, d);
        if (is_better(other, own)) own = other;
    }
    return own;
}

static __device__ Single single_at(const Group& g, integer i, integer j, double t, double fine) {
    Single found = {-infinity_(), 1.0, 0.0, -1};
    if (j < 0) return found;
    found.weight = weight_at(g, i, j);
    found.size = fabs((double)g.c[j]);
    // Without weights the largest entry, whatever the threshold.
    found.value = g.w_kind == 0 ? found.size
                                : excess(excess(found.size, found.weight, t), found.weight, fine);
    found.index = j;
    return found;
}

static __device__ __noinline__ Single best_between(const Group& g, integer i, integer start, integer stop, double t,
                                                   double fine) {
    Single best = single_at(g, i, -1, t, fine);
    for (integer j = start + lane_of(); j < stop; j += WARP) {
        Single other = single_at(g, i, j, t, fine);
        if (is_better(other, best)) best = other;
    }
    return warp_best(best);
}

// A lane's next entries of x before `length`; 0 beyond it, which no threshold lets pass.
static __device__ void load(const REAL* x, int j, int length, REAL* batch) {
#pragma unroll
    for (int q = 0; q < BATCH; q++) {
        batch[q] = (REAL)0;
        if (j + q * WARP < length) batch[q] = x[j + q * WARP];
    }
}

// What is above the threshold t, to the front of `to`; returns how much that is. A few entries at the threshold may be
// among it: the comparison is one of REAL. `top` becomes the largest entry.
static __device__ int move_survivors(const REAL* x, int length, double t, REAL* to, double* top) {
    REAL coarse = t < 1e-30 ? (REAL)-1 : (REAL)(t * (1.0 - 1e-6)), most = (REAL)0, largest = (REAL)largest_real();
    REAL batch[BATCH];
    int kept = 0, is_bad = 0;
    for (int base = 0; base < length; base += BATCH * WARP) {
        load(x, base + lane_of(), length, batch);
#pragma unroll
        for (int q = 0; q < BATCH; q++) {
            REAL size = fabs(batch[q]);
            int is_above = size > coarse && base + q * WARP + lane_of() < length;
            unsigned int above = __ballot_sync(EVERY_LANE, is_above);
            most = size > most ? size : most;
            is_bad |= !(size <= largest);
            if (is_above) to[kept + __popc(above & ((1u << lane_of()) - 1u))] = size;
            kept += __popc(above);
        }
    }
    __syncwarp();
    *top = is_bad ? infinity_() : (double)most;
    return kept;
}

// Moments of a piece at mu, from all of its entries or from its survivors; `compact` moves the survivors first.
static __device__ __noinline__ void evaluate_piece(const Group& g, const Team& team, integer p, double mu, int first,
                                                   int pruned, int compact) {
    integer i = g.vector[p], start = g.start[p];
    int length = pruned ? (int)g.live[p] : (int)(g.stop[p] - start);
    const REAL* x = (pruned ? g.out : g.c) + start;
    double t = threshold(g.gain[i], mu), m0 = 0.0, m1 = 0.0, m2 = 0.0, top = 0.0;
    if (compact) {
        length = move_survivors(x, length, t, g.out + start, &top);
        x = g.out + start;
        if (lane_of() == 0) g.live[p] = length;
    }
    if (g.w_kind == 0) {
        REAL batch[BATCH];
        int count = 0;
        // No branch in here: the operations of all entries of a batch are on their way together.
        for (int base = 0; base < length; base += BATCH * WARP) {
            load(x, base + lane_of(), length, batch);
#pragma unroll
            for (int q = 0; q < BATCH; q++) {
                double z = fabs((double)batch[q]) - t;
                count += z > 0.0;
                z = z > 0.0 ? z : 0.0;
                m1 += z;
                m2 += z * z;
            }
            if (first && !compact)
                for (int q = 0; q < BATCH; q++) {
                    double size = fabs((double)batch[q]);
                    top = size <= UNBOUNDED ? fmax(top, size) : infinity_();
                }
        }
        m0 = (double)count;
    } else {
#pragma unroll 4
        for (int j = lane_of(); j < length; j += WARP) {
            double size = fabs((double)x[j]), weight = weight_at(g, i, start + j), z = excess(size, weight, t);
            if (z > 0.0) {
                m0 += weight * weight;
                m1 += weight * z;
                m2 += z * z;
            }
            if (first) top = size <= UNBOUNDED ? fmax(top, size) : infinity_();
        }
    }
    m0 = warp_sum(m0);
    m1 = warp_sum(m1);
    m2 = warp_sum(m2);
    if (first) top = warp_max(top);
    integer best = -1;
    if (g.w_kind != 0 && m2 <= 0.0) best = best_between(g, i, start, start + length, t, 0.0).index;
    double* own = g.sums + p * SUMS;
    put(team, own + M0, m0);
    put(team, own + M1, m1);
    put(team, own + M2, m2);
    if (first) put(team, own + TOP, top);
    if (g.w_kind != 0) put(team, own + BEST, (double)best);
}

static __device__ integer warps_of(const Team& team) { return team.size * (integer)(blockDim.x / WARP); }

static __device__ integer warp_of(const Team& team) {
    return team.rank * (integer)(blockDim.x / WARP) + (integer)(threadIdx.x / WARP);
}

// Whether a warp adds the pieces of each vector, or a thread does.
static __device__ int is_wide(const Group& g) {
    return g.first[g.b] - g.first[g.a] >= MANY_PIECES * (g.b - g.a);
}

// Moments of a vector from those of its pieces; after the first pass returns its largest entry. `wide`: by a warp, the
// same in all lanes.
static __device__ double gather(const Group& g, integer i, int wide, int first, double* m) {
    double m0 = 0.0, m1 = 0.0, m2 = 0.0, top = 0.0;
    integer stop = g.first[i + 1], step = wide ? WARP : 1;
#pragma unroll 4
    for (integer p = g.first[i] + (wide ? lane_of() : 0); p < stop; p += step) {
        const double* own = g.sums + p * SUMS;
        m0 += own[M0];
        m1 += own[M1];
        m2 += own[M2];
        if (first) top = fmax(top, own[TOP]);
    }
    m[0] = wide ? warp_sum(m0) : m0;
    m[1] = wide ? warp_sum(m1) : m1;
    m[2] = wide ? warp_sum(m2) : m2;
    return wide && first ? warp_max(top) : top;
}

// The sparsity of a vector of which one entry is left.
static __device__ __noinline__ double sparsity_of_single(const Group& g, integer i, int wide, double mu) {
    if (g.w_kind == 0) return 1.0;
    double t = threshold(g.gain[i], mu);
    Single best = single_at(g, i, -1, t, 0.0);
    for (integer p = g.first[i] + (wide ? lane_of() : 0); p < g.first[i + 1]; p += wide ? WARP : 1) {
        Single other = single_at(g, i, (integer)g.sums[p * SUMS + BEST], t, 0.0);
        if (is_better(other, best)) best = other;
    }
    if (wide) best = warp_best(best);
    return (g.norm[i] - best.weight) / g.span[i];
}

// The second stage: residual and slope of the group, and from them the next multiplier or the outcome.
static __device__ __noinline__ void look(const Group& g, const Own& own, int first) {
    enum { MISSING, RISE, STIFFEST, CROSSED, HIGHEST, REFUSED, AIM, NUMBERS };
    int wide = is_wide(g), lanes = wide ? WARP : 1;
    double *state = own.state, all[NUMBERS] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}, m[3];
    for (integer i = g.a + threadIdx.x / lanes; i < g.b; i += blockDim.x / lanes) {
        double top = gather(g, i, wide, first, m), single = 1.0;
        if (m[2] <= 0.0) single = sparsity_of_single(g, i, wide, state[MU]);
        Part part = part_of(m, single, g.gain[i], g.norm[i], g.span[i], g.s);
        all[MISSING] += part.missing;
        all[RISE] += part.slope;
        all[STIFFEST] = fmax(all[STIFFEST], part.stiff);
        all[CROSSED] = fmax(all[CROSSED], part.crossing);
        if (!first) continue;
        all[HIGHEST] = fmax(all[HIGHEST], top / g.gain[i]);
        if (top > UNBOUNDED) all[REFUSED] = 2.0;
        else if (top > SAFE_HIGH || (0.0 < top && top < SAFE_LOW)) all[REFUSED] = fmax(all[REFUSED], 1.0);
        all[AIM] += g.norm[i] / g.span[i];
    }
    int warps = (int)(blockDim.x / WARP), of_threads = (int)((g.b - g.a + WARP - 1) / WARP);
    int busy = wide || of_threads > warps ? warps : of_threads;
    if ((int)(threadIdx.x / WARP) < busy) {
#pragma unroll
        for (int k = 0; k < NUMBERS; k++) {
            int is_sum = k == MISSING || k == RISE || k == AIM;
            if (!first && k >= HIGHEST) continue;
            double x = wide ? all[k] : is_sum ? warp_sum(all[k]) : warp_max(all[k]);
            if (lane_of() == 0) own.scratch[NUMBERS * (threadIdx.x / WARP) + k] = x;
        }
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
#pragma unroll
    for (int k = 0; k < NUMBERS; k++) all[k] = 0.0;
    for (int warp = 0; warp < busy; warp++) {
        const double* x = own.scratch + NUMBERS * warp;
        all[MISSING] += x[MISSING];
        all[RISE] += x[RISE];
        all[STIFFEST] = fmax(all[STIFFEST], x[STIFFEST]);
        all[CROSSED] = fmax(all[CROSSED], x[CROSSED]);
        if (!first) continue;
        all[HIGHEST] = fmax(all[HIGHEST], x[HIGHEST]);
        all[REFUSED] = fmax(all[REFUSED], x[REFUSED]);
        all[AIM] += x[AIM];
    }
    double r = (double)(g.b - g.a);
    state[RESIDUAL] = all[MISSING];
    state[SLOPE] = all[RISE];
    state[STIFF] = all[STIFFEST];
    state[CROSSING] = all[CROSSED];
    int found = SEARCHING;
    if (first) {
        state[GOAL] = all[AIM] - r * g.s;
        // Rounding must not leave the largest entry above its own threshold there.
        if (g.w_kind == 0) state[HIGH] = fmin(state[HIGH], all[HIGHEST] * (1.0 + 1e-15));
        if (all[REFUSED] > 0.0) found = all[REFUSED] > 1.0 ? NOT_FINITE : OUT_OF_RANGE;
    }
    if (found == SEARCHING && state[MU] == 0.0 && state[RESIDUAL] <= SLACK * r) found = UNCHANGED;
    if (found == SEARCHING) found = advance(state, r, state[GOAL]);
    if (found == ROOT && needs_digits(g.w_kind != 0, g.s)) found = COLLAPSED;
    if (found == COLLAPSED) { // the next multiplier above: the constraint is kept, ties are left to the host
        state[MU] = state[HIGH];
        state[DELTA] = 0.0;
    }
    state[OUTCOME] = (double)found;
}

// Factors and sparsities of the vectors at the multiplier found, by one block.
static __device__ __noinline__ void conclude(const Group& g, const Own& own, const Found& to) {
    int wide = is_wide(g), lanes = wide ? WARP : 1, writes = !wide || lane_of() == 0;
    double *state = own.state, m[3];
    int is_long = 0, singles = 0;
    for (integer i = g.a + threadIdx.x / lanes; i < g.b; i += blockDim.x / lanes) {
        double factor = 0.0, sparsity;
        gather(g, i, wide, 0, m);
        int is_single = !(m[2] > 0.0);
        if (is_single) {
            sparsity = sparsity_of_single(g, i, wide, state[MU]);
            singles = 1;
        } else {
            factor = carried(m, state[DELTA], g.gain[i], g.norm[i], g.span[i], state[MU], &sparsity);
            is_long |= factor * m[2] * rsqrt(m[2]) > largest_real();
        }
        if (writes) {
            to.coef[i] = factor;
            to.best[i] = is_single ? UNKNOWN : -1;
            to.sparsities[i] = sparsity;
        }
    }
    is_long = __syncthreads_or(is_long);
    singles = __syncthreads_or(singles);
    if (threadIdx.x == 0) {
        state[IS_LONG] = (double)is_long;
        state[SINGLES] = (double)singles;
    }
}

// Find the multiplier, and what follows from it for every vector.
static __device__ int search(Group& g, const Team& team, double mu0, int may_prune, const Own& own,
                             const Found& to) {
    double* state = own.state;
    integer warps = warps_of(team), begin = g.first[g.a] + warp_of(team), end = g.first[g.b];
    __syncthreads();
    if (threadIdx.x == 0) {
        new_state(state, mu0 > 0.0 ? mu0 : 0.0); // the last one can be below 0 by rounding
        state[OUTCOME] = (double)SEARCHING;
    }
    __syncthreads();
    int pruned = 0;
    for (int first = 1;; first = 0) {
        double mu = state[MU];
        int closes = (int)state[OUTCOME] == COLLAPSED, compact = may_prune && !pruned && !closes && mu > 0.0;
        for (integer p = begin; p < end; p += warps) evaluate_piece(g, team, p, mu, first, pruned, compact);
        if (arrive(team, own.flag)) {
            if (!closes) look(g, own, first);
            __syncthreads();
            int found = (int)state[OUTCOME];
            if (found == COLLAPSED ? closes : found != SEARCHING) conclude(g, own, to);
            tell(team, own);
        }
        hear(team, own);
        turn(&g);
        int found = (int)state[OUTCOME];
        if (found == COLLAPSED ? closes : found != SEARCHING) return found;
        if (compact && state[LOW] == mu) pruned = 1;
    }
}

// Which entry is left of the vectors that keep one.
static __device__ void find_singles(const Group& g, const Team& team, const Own& own, const Found& to) {
    double mu = own.state[MU], delta = own.state[DELTA];
    // A slow block of a cluster still writes what is UNKNOWN.
    if (team.is_cluster) meet_in_cluster();
    for (integer i = g.a + warp_of(team); i < g.b; i += warps_of(team)) {
        if (to.best[i] != UNKNOWN) continue;
        double t = threshold(g.gain[i], mu), fine = threshold(g.gain[i], delta);
        integer kept = best_between(g, i, g.offsets[i], g.offsets[i + 1], t, fine).index;
        if (!team.is_cluster && lane_of() == 0) to.best[i] = kept;
        for (int rank = lane_of(); team.is_cluster && rank < CLUSTER; rank += WARP)
            ((integer*)at_block((double*)to.best, rank))[i] = kept;
    }
    sync(team, own.flag);
}

// The output of a piece; with V and Y also how far it moved from V, and whether the momentum went uphill there.
static __device__ __noinline__ void write_piece(const Group& g, const Team& team, integer p, const double* state,
                                                const Found& to, int is_projected, const REAL* V, const REAL* Y) {
    integer i = g.vector[p], start = g.start[p], kept = to.best[i];
    double t = threshold(g.gain[i], state[MU]), fine = threshold(g.gain[i], state[DELTA]), factor = to.coef[i];
    double moved = 0.0, uphill = 0.0;
    int length = (int)(g.stop[p] - start), keeps_one = is_projected && kept >= 0, best = (int)(kept - start);
    int is_weighted = g.w_kind != 0;
    const REAL* c = g.c + start;
    REAL batch[BATCH], old[BATCH], ahead[BATCH], *out = g.out + start;
    for (int base = lane_of(); base < length; base += BATCH * WARP) {
        load(c, base, length, batch);
        if (V) {
            load(V + start, base, length, old);
            load(Y + start, base, length, ahead);
        }
        if (keeps_one) {
#pragma unroll
            for (int q = 0; q < BATCH; q++) batch[q] = best == base + q * WARP ? batch[q] : (REAL)0;
        } else if (is_projected) {
#pragma unroll
            for (int q = 0; q < BATCH; q++) {
                int e = base + q * WARP;
                double value = (double)batch[q], weight = is_weighted && e < length ? weight_at(g, i, start + e) : 1.0;
                double left = excess(excess(fabs(value), weight, t), weight, fine);
                // A threshold can be below 0 by rounding: what is 0 stays that, and what lies beyond the end too.
                left = left > 0.0 && value != 0.0 ? left * factor : 0.0;
                batch[q] = (REAL)(value < 0.0 ? -left : left);
            }
        }
#pragma unroll
        for (int q = 0; q < BATCH; q++)
            if (base + q * WARP < length) out[base + q * WARP] = batch[q];
        if (V) {
#pragma unroll
            for (int q = 0; q < BATCH; q++) { // beyond the end all three are 0
                double step = (double)(batch[q] - old[q]);
                moved += step * step;
                uphill += (double)(ahead[q] - batch[q]) * step;
            }
        }
    }
    if (!V) return;
    put(team, g.sums + 2 * p, warp_sum(moved));
    put(team, g.sums + 2 * p + 1, warp_sum(uphill));
}

// Search and output of one group; every block returns the outcome.
static __device__ int project_group(Group& g, const Team& team, double mu0, int may_prune, const Own& own,
                                    const Found& to, double* result, const REAL* V, const REAL* Y) {
    double* state = own.state;
    int found = search(g, team, mu0, may_prune, own, to), is_projected = found == ROOT || found == COLLAPSED;
    if (is_projected && state[SINGLES] != 0.0) find_singles(g, team, own, to);
    integer warps = warps_of(team);
    for (integer p = g.first[g.a] + warp_of(team); p < g.first[g.b]; p += warps)
        write_piece(g, team, p, state, to, is_projected, V, Y);
    if (is_projected && state[IS_LONG] != 0.0) found = LONG;
    if ((team.rank == 0 || team.is_cluster) && threadIdx.x == 0) {
        result[0] = state[MU] + state[DELTA];
        result[1] = state[STEPS];
        result[2] = (double)found;
    }
    return found;
}

// Every vector of g a group of its own, a block each. The outcomes are in the results.
static __device__ void project_each(Group g, const Team& grid, const double* targets, const Own& own,
                                    const Found& to) {
    Team alone = {0, 1, grid.barrier, grid.told, 0};
    integer r = g.b;
    for (integer i = grid.rank; i < r; i += grid.size) {
        g.a = i;
        g.b = i + 1;
        g.s = targets[i];
        project_group(g, alone, 0.0, 0, own, to, to.results + 3 * i, 0, 0);
    }
}
