// The grouped sparse projection in one launch: search, output and, within an update, the momentum step.
//
// Vectors are cut into pieces, a piece belongs to a warp. An evaluation is a pass of all warps over their pieces, a
// barrier, and a second stage that every block does for itself: from the sums of all pieces to the residual and the
// next multiplier, in the same order and hence with the same bits everywhere. So the whole safeguarded Newton needs one
// barrier a step and no word from the host. In large groups the pass at a multiplier below the root moves the
// survivors of each piece to the front of its part of the output, and later passes look only at those.

enum { M0, M1, M2, TOP, BEST, SUMS };
enum { ALPHA, FIRST, IS_DONE, COUNT, HINT, WORST, RUN };
#define SAFE_LOW 1e-120
#define SAFE_HIGH 1e120

struct Group {
    const REAL *c, *w;
    integer w_kind; // 0: no weights, 1: one image for all vectors, 2: an entry for each of c
    const integer *vector, *start, *stop; // of each piece
    const integer *first; // pieces of vector i: first[i] to first[i + 1]
    const integer *offsets;
    const double *gain, *norm, *span;
    REAL* out;
    double* sums; // two sets, used in turn: a slow block still reads one while the others write the next
    integer* live;
    integer pieces; // of all groups
    integer a, b; // its vectors
    double s;
};

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

static __device__ Single best_between(const Group& g, integer i, integer start, integer stop, double t, double fine) {
    Single best = single_at(g, i, -1, t, fine);
    for (integer j = start + lane_of(); j < stop; j += WARP) {
        Single other = single_at(g, i, j, t, fine);
        if (is_better(other, best)) best = other;
    }
    return warp_best(best);
}

// Moments of a piece at mu, from all of its entries or from its survivors; `compact` moves the survivors.
static __device__ void evaluate_piece(const Group& g, integer p, double mu, double* sums, int first, int pruned,
                                      int compact) {
    integer i = g.vector[p], start = g.start[p], stop = pruned ? start + g.live[p] : g.stop[p];
    const REAL* x = pruned ? g.out : g.c;
    double t = threshold(g.gain[i], mu), m0 = 0.0, m1 = 0.0, m2 = 0.0, top = 0.0;
    if (compact) {
        integer kept = start;
        for (integer base = start; base < stop; base += WARP) {
            integer j = base + lane_of();
            double size = j < stop ? fabs((double)x[j]) : 0.0, z = size - t;
            unsigned int above = __ballot_sync(EVERY_LANE, j < stop && z > 0.0);
            if (j < stop && z > 0.0) {
                m0 += 1.0;
                m1 += z;
                m2 += z * z;
                g.out[kept + __popc(above & ((1u << lane_of()) - 1u))] = (REAL)size;
            }
            kept += __popc(above);
            top = size <= UNBOUNDED ? fmax(top, size) : infinity_();
        }
        if (lane_of() == 0) g.live[p] = kept - start;
    } else if (g.w_kind == 0) {
#pragma unroll 4
        for (integer j = start + lane_of(); j < stop; j += WARP) {
            double size = fabs((double)x[j]), z = size - t;
            if (z > 0.0) {
                m0 += 1.0;
                m1 += z;
                m2 += z * z;
            }
            if (first) top = size <= UNBOUNDED ? fmax(top, size) : infinity_();
        }
    } else {
        for (integer j = start + lane_of(); j < stop; j += WARP) {
            double size = fabs((double)x[j]), weight = weight_at(g, i, j), z = excess(size, weight, t);
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
    if (g.w_kind != 0 && m2 <= 0.0) best = best_between(g, i, start, stop, t, 0.0).index;
    if (lane_of() == 0) {
        double* own = sums + p * SUMS;
        own[M0] = m0;
        own[M1] = m1;
        own[M2] = m2;
        own[TOP] = top;
        own[BEST] = (double)best;
    }
}

static __device__ void evaluate(const Group& g, const Team& team, double mu, double* sums, int first, int pruned,
                                int compact) {
    integer warps = team.size * (blockDim.x / WARP);
    integer warp = team.rank * (blockDim.x / WARP) + threadIdx.x / WARP;
    for (integer p = g.first[g.a] + warp; p < g.first[g.b]; p += warps)
        evaluate_piece(g, p, mu, sums, first, pruned, compact);
}

// Moments of a vector from those of its pieces, the same in all lanes; returns its largest entry.
static __device__ double gather(const Group& g, integer i, const double* sums, double* m) {
    double m0 = 0.0, m1 = 0.0, m2 = 0.0, top = 0.0;
    for (integer p = g.first[i] + lane_of(); p < g.first[i + 1]; p += WARP) {
        const double* own = sums + p * SUMS;
        m0 += own[M0];
        m1 += own[M1];
        m2 += own[M2];
        top = fmax(top, own[TOP]);
    }
    m[0] = warp_sum(m0);
    m[1] = warp_sum(m1);
    m[2] = warp_sum(m2);
    return warp_max(top);
}

// The sparsity of a vector of which one entry is left.
static __device__ double sparsity_of_single(const Group& g, integer i, const double* sums, double mu) {
    if (g.w_kind == 0) return 1.0;
    double t = threshold(g.gain[i], mu);
    Single best = single_at(g, i, -1, t, 0.0);
    for (integer p = g.first[i] + lane_of(); p < g.first[i + 1]; p += WARP) {
        Single other = single_at(g, i, (integer)sums[p * SUMS + BEST], t, 0.0);
        if (is_better(other, best)) best = other;
    }
    return (g.norm[i] - warp_best(best).weight) / g.span[i];
}

// Residual and slope of the group into the state, by every block for itself. Returns what the first look refuses.
static __device__ int residual(const Group& g, const double* sums, double* state, double* scratch, int first) {
    int warps = (int)(blockDim.x / WARP), warp = (int)(threadIdx.x / WARP);
    double missing = 0.0, slope = 0.0, stiff = 0.0, crossing = 0.0, bound = 0.0, refused = 0.0, m[3];
    for (integer i = g.a + warp; i < g.b; i += warps) {
        double top = gather(g, i, sums, m), single = 1.0;
        if (m[2] <= 0.0) single = sparsity_of_single(g, i, sums, state[MU]);
        Part part = part_of(m, single, g.gain[i], g.norm[i], g.span[i], g.s);
        missing += part.missing;
        slope += part.slope;
        stiff = fmax(stiff, part.stiff);
        crossing = fmax(crossing, part.crossing);
        bound = fmax(bound, top / g.gain[i]);
        if (top > UNBOUNDED) refused = 2.0;
        else if (top > SAFE_HIGH || (0.0 < top && top < SAFE_LOW)) refused = fmax(refused, 1.0);
    }
    __syncthreads();
    if (lane_of() == 0) {
        double* own = scratch + 6 * warp;
        own[0] = missing;
        own[1] = slope;
        own[2] = stiff;
        own[3] = crossing;
        own[4] = bound;
        own[5] = refused;
    }
    __syncthreads();
    missing = slope = stiff = crossing = bound = refused = 0.0;
    for (int k = 0; k < warps; k++) {
        const double* own = scratch + 6 * k;
        missing += own[0];
        slope += own[1];
        stiff = fmax(stiff, own[2]);
        crossing = fmax(crossing, own[3]);
        bound = fmax(bound, own[4]);
        refused = fmax(refused, own[5]);
    }
    if (threadIdx.x == 0) {
        state[RESIDUAL] = missing;
        state[SLOPE] = slope;
        state[STIFF] = stiff;
        state[CROSSING] = crossing;
        // Rounding must not leave the largest entry above its own threshold there.
        if (first && g.w_kind == 0) state[HIGH] = fmin(state[HIGH], bound * (1.0 + 1e-15));
    }
    if (first && refused > 0.0) return refused > 1.0 ? NOT_FINITE : OUT_OF_RANGE;
    return SEARCHING;
}

// Find the multiplier. `turn` says which set of sums holds the moments at the end.
static __device__ int search(const Group& g, const Team& team, double mu0, int may_prune, double* state,
                             double* scratch, int* turn) {
    double r = (double)(g.b - g.a), goal = 0.0;
    for (integer i = g.a + threadIdx.x; i < g.b; i += blockDim.x) goal += g.norm[i] / g.span[i];
    goal = block_sum(goal, scratch) - r * g.s;
    double* outcome = scratch + 6 * (blockDim.x / WARP);
    __syncthreads();
    if (threadIdx.x == 0) new_state(state, mu0);
    __syncthreads();
    int first = 1, pruned = 0;
    for (;; first = 0) {
        double mu = state[MU];
        int compact = may_prune && !pruned && mu > 0.0;
        double* sums = g.sums + *turn * g.pieces * SUMS;
        evaluate(g, team, mu, sums, first, pruned, compact);
        sync(team);
        int found = residual(g, sums, state, scratch, first);
        if (threadIdx.x == 0) {
            if (found == SEARCHING && mu == 0.0 && state[RESIDUAL] <= SLACK * r) found = UNCHANGED;
            if (found == SEARCHING) found = advance(state, r, goal);
            *outcome = (double)found;
        }
        __syncthreads();
        found = (int)*outcome;
        if (found == COLLAPSED) { // the next multiplier above: the constraint is kept, ties are left to the host
            *turn ^= 1;
            sums = g.sums + *turn * g.pieces * SUMS;
            double high = state[HIGH];
            evaluate(g, team, high, sums, 0, pruned, 0);
            sync(team);
            if (threadIdx.x == 0) {
                state[MU] = high;
                state[DELTA] = 0.0;
            }
            __syncthreads();
        }
        if (found != SEARCHING) return found;
        if (compact && state[LOW] == mu) pruned = 1;
        *turn ^= 1;
    }
}

// Factors, sparsities and single entries of the vectors at the multiplier found; returns the longest vector's norm.
static __device__ double conclude(const Group& g, const Team& team, const double* state, double* scratch, int turn,
                                  int found, double* coef, integer* best, double* sparsities) {
    const double* sums = g.sums + turn * g.pieces * SUMS;
    integer warps = team.size * (blockDim.x / WARP);
    double m[3], longest = 0.0;
    for (integer i = g.a + team.rank * (blockDim.x / WARP) + threadIdx.x / WARP; i < g.b; i += warps) {
        gather(g, i, sums, m);
        integer kept = -1;
        double factor = 0.0, sparsity;
        if (m[2] > 0.0) {
            factor = carried(m, state[DELTA], g.gain[i], g.norm[i], g.span[i], state[MU], &sparsity);
        } else {
            double t = threshold(g.gain[i], state[MU]), fine = threshold(g.gain[i], state[DELTA]);
            sparsity = sparsity_of_single(g, i, sums, state[MU]);
            kept = best_between(g, i, g.offsets[i], g.offsets[i + 1], t, fine).index;
        }
        if (lane_of() == 0) {
            coef[i] = factor;
            best[i] = kept;
            sparsities[i] = sparsity;
        }
    }
    sync(team);
    // Every block looks at all vectors: whether an entry is beyond REAL is a word on the whole group.
    for (integer i = g.a + threadIdx.x / WARP; i < g.b; i += blockDim.x / WARP) {
        gather(g, i, sums, m);
        longest = fmax(longest, coef[i] * sqrt(fmax(m[2], 0.0)));
    }
    return found == ROOT || found == COLLAPSED ? block_max(longest, scratch) : 0.0;
}

static __device__ void write_piece(const Group& g, integer p, const double* state, const double* coef,
                                   const integer* best, int found) {
    integer i = g.vector[p];
    double t = threshold(g.gain[i], state[MU]), fine = threshold(g.gain[i], state[DELTA]), factor = coef[i];
    for (integer j = g.start[p] + lane_of(); j < g.stop[p]; j += WARP) {
        double value = (double)g.c[j];
        if (found != ROOT && found != COLLAPSED) {
            g.out[j] = g.c[j];
        } else if (best[i] >= 0) {
            g.out[j] = best[i] == j ? g.c[j] : (REAL)0;
        } else {
            double weight = weight_at(g, i, j);
            double left = excess(excess(fabs(value), weight, t), weight, fine);
            left = left > 0.0 ? left * factor : 0.0;
            g.out[j] = (REAL)(value < 0.0 ? -left : left);
        }
    }
}

// Search and output of one group; every block returns the outcome.
static __device__ int project_group(const Group& g, const Team& team, double mu0, int may_prune, double* shared,
                                    double* coef, integer* best, double* sparsities, double* result) {
    double *state = shared, *scratch = shared + STATE;
    int turn = 0, found = search(g, team, mu0, may_prune, state, scratch, &turn);
    double longest = conclude(g, team, state, scratch, turn, found, coef, best, sparsities);
    integer warps = team.size * (blockDim.x / WARP);
    integer warp = team.rank * (blockDim.x / WARP) + threadIdx.x / WARP;
    for (integer p = g.first[g.a] + warp; p < g.first[g.b]; p += warps) write_piece(g, p, state, coef, best, found);
    if (longest > largest_real()) found = LONG;
    if (team.rank == 0 && threadIdx.x == 0) {
        result[0] = state[MU] + state[DELTA];
        result[1] = state[STEPS];
        result[2] = (double)found;
    }
    return found;
}

// Fast gradient: momentum after a step whose projection is in `out`. V and Y are moved on in place.
static __device__ void extrapolate(const Group& g, const Team& team, REAL* V, REAL* Y, double* run, double tol,
                                   double alpha, double first, double count, double* scratch) {
    integer warps = team.size * (blockDim.x / WARP);
    integer warp = team.rank * (blockDim.x / WARP) + threadIdx.x / WARP;
    sync(team); // the last sums have been read, the output is written
    for (integer p = warp; p < g.pieces; p += warps) {
        double moved = 0.0, uphill = 0.0;
        for (integer j = g.start[p] + lane_of(); j < g.stop[p]; j += WARP) {
            double step = (double)(g.out[j] - V[j]);
            moved += step * step;
            uphill += (double)(Y[j] - g.out[j]) * step;
        }
        moved = warp_sum(moved);
        uphill = warp_sum(uphill);
        if (lane_of() == 0) {
            g.sums[2 * p] = moved;
            g.sums[2 * p + 1] = uphill;
        }
    }
    sync(team);
    double moved = 0.0, uphill = 0.0;
    for (integer p = threadIdx.x; p < g.pieces; p += blockDim.x) {
        moved += g.sums[2 * p];
        uphill += g.sums[2 * p + 1];
    }
    moved = block_sum(moved, scratch);
    uphill = block_sum(uphill, scratch);
    double square = alpha * alpha, following = (sqrt(square * square + 4.0 * square) - square) / 2.0;
    double beta = alpha * (1.0 - alpha) / (square + following);
    int restarts = uphill > 0.0;
    for (integer p = warp; p < g.pieces; p += warps) {
        for (integer j = g.start[p] + lane_of(); j < g.stop[p]; j += WARP) {
            REAL now = g.out[j];
            Y[j] = restarts ? now : now + (REAL)beta * (now - V[j]);
            V[j] = now;
        }
    }
    if (team.rank == 0 && threadIdx.x == 0) {
        run[ALPHA] = restarts ? 0.1 : following;
        run[COUNT] = count + 1.0;
        if (count == 0.0) run[FIRST] = moved;
        else if (moved <= tol * tol * first) run[IS_DONE] = 1.0;
    }
}

// `kind` 0: no projection, 1: all vectors one group, 2: every vector a group of its own, to
// its own of the targets. `moves` 1: a step of an
// update, which `run` remembers; nothing happens once that is done.
extern "C" __global__ void __launch_bounds__(512, 2)
project(const REAL* c, const REAL* w, integer w_kind, const integer* vector, const integer* start,
        const integer* stop, const integer* first, const integer* offsets, const double* gain, const double* norm,
        const double* span, integer pieces, integer r, double s, integer kind, integer may_prune, REAL* out,
        double* sums, integer* live, double* coef, integer* best, double* sparsities, double* results,
        unsigned int* barrier, double* run, integer moves, REAL* V, REAL* Y, double tol, const double* targets) {
    DYNAMIC_SHARED
    Team grid = {(integer)blockIdx.x, (integer)gridDim.x, barrier};
    double alpha = run[ALPHA], before = run[FIRST], is_done = run[IS_DONE], count = run[COUNT], hint = run[HINT];
    double worst = run[WORST];
    if (is_done != 0.0) return;
    Group g = {c, w, w_kind, vector, start, stop, first, offsets, gain, norm, span, out, sums, live, pieces, 0, r, s};
    int found = ROOT;
    if (kind == 1) {
        // A little below the hint most of the group can be left aside at once; small groups do not need that.
        double mu0 = may_prune ? 0.98 * hint : hint;
        found = project_group(g, grid, mu0, (int)may_prune, dynamic_shared, coef, best, sparsities, results);
    } else if (kind == 2) {
        Team alone = {0, 1, barrier};
        for (integer i = blockIdx.x; i < r; i += gridDim.x) {
            g.a = i;
            g.b = i + 1;
            g.s = targets[i];
            project_group(g, alone, 0.0, 0, dynamic_shared, coef, best, sparsities, results + 3 * i);
            __syncthreads();
        }
    }
    if (moves) {
        extrapolate(g, grid, V, Y, run, tol, alpha, before, count, dynamic_shared + STATE);
    }
    if (kind == 2) { // the worst of all outcomes, once all are there
        sync(grid);
        if (grid.rank == 0 && threadIdx.x == 0)
            for (integer i = 0; i < r; i++) found = (int)results[3 * i + 2] > found ? (int)results[3 * i + 2] : found;
    }
    if (grid.rank == 0 && threadIdx.x == 0) {
        if (kind == 1) run[HINT] = results[0];
        int is_rare = found == COLLAPSED || found >= NOT_FINITE;
        run[WORST] = is_rare ? (double)found : worst;
    }
}
