// The kernels of the projection: alone, or all steps of an update of the basis in one launch (gradient, projection,
// momentum, and whether it was the last).

// Rows of a tile of the gradient, of which a warp has as many columns as lanes, and rows of Y that are on their way.
#define ROWS_AT_ONCE 8
#define ON_THE_WAY 16

// G (r, r) into shared memory, transposed, with rows `pad` numbers apart: a multiple of ROWS_AT_ONCE.
static __device__ void load_gram(const REAL* G, integer r, integer pad, REAL* tile) {
    for (integer e = threadIdx.x; e < r * r; e += blockDim.x) tile[e % r * pad + e / r] = G[e];
    __syncthreads();
}

// The largest eigenvalue of G from above, as `core.updates.largest_eigenvalue`; -1 where power steps do not find it.
// `x` has room for 2 r numbers.
static __device__ __noinline__ double largest_eigenvalue(const REAL* tile, integer r, integer pad, double* x,
                                                         double* scratch) {
    double *y = x + r, top = 0.0, low = -infinity_();
    for (integer k = threadIdx.x; k < r; k += blockDim.x) {
        double sum = 0.0;
#pragma unroll 8
        for (integer i = 0; i < r; i++) sum += (double)tile[i * pad + k];
        x[k] = sum;
        top = fmax(top, sum);
        low = fmax(low, -sum);
    }
    top = block_max(top, scratch);
    low = -block_max(low, scratch);
    if (top == 0.0) return 0.0;
    if (!(low > 0.0)) return -1.0;
    for (int round = 0; round < 20; round++) {
        double high = 0.0;
        low = -infinity_();
        top = 0.0;
        for (integer k = threadIdx.x; k < r; k += blockDim.x) {
            double sum = 0.0;
#pragma unroll 8
            for (integer i = 0; i < r; i++) sum += (double)tile[i * pad + k] * x[i];
            y[k] = sum;
            top = fmax(top, sum);
            high = fmax(high, sum / x[k]);
            low = fmax(low, -sum / x[k]);
        }
        high = block_max(high, scratch);
        low = -block_max(low, scratch);
        top = block_max(top, scratch);
        if (high - low <= 1e-3 * high) return high;
        for (integer k = threadIdx.x; k < r; k += blockDim.x) x[k] = y[k] / top;
        __syncthreads();
    }
    return -1.0;
}

// ``max(0, Y - (G Y - B) * scale)`` for Y (r, m).
static __device__ __noinline__ void gradient(const Team& team, const REAL* Y, const REAL* B, const REAL* tile,
                                             integer pad, integer r, integer m, REAL scale, REAL* out) {
    integer across = (m + WARP - 1) / WARP, items = across * ((r + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE);
    for (integer item = warp_of(team); item < items; item += warps_of(team)) {
        integer row = item / across * ROWS_AT_ONCE, j = item % across * WARP + lane_of();
        REAL sums[ROWS_AT_ONCE], ahead[ON_THE_WAY];
        const REAL *y = Y + j, *g = tile + row;
        if (j >= m) continue;
#pragma unroll
        for (int q = 0; q < ROWS_AT_ONCE; q++) sums[q] = (REAL)0;
        for (int i = 0; i < (int)r; i += ON_THE_WAY) {
#pragma unroll
            for (int k = 0; k < ON_THE_WAY; k++) {
                ahead[k] = (REAL)0;
                if (i + k < (int)r) ahead[k] = *y;
                y += m;
            }
#pragma unroll
            for (int k = 0; k < ON_THE_WAY; k++) {
                if (i + k >= (int)r) break;
                Four upper = *(const Four*)g, lower = *(const Four*)(g + 4);
                g += pad;
#pragma unroll
                for (int q = 0; q < 4; q++) {
                    sums[q] += upper.at[q] * ahead[k];
                    sums[q + 4] += lower.at[q] * ahead[k];
                }
            }
        }
        REAL here[ROWS_AT_ONCE], wanted[ROWS_AT_ONCE]; // loaded before anything is stored, which they might overlap
#pragma unroll
        for (int q = 0; q < ROWS_AT_ONCE; q++) {
            integer e = (row + q < r ? row + q : r - 1) * m + j;
            here[q] = Y[e];
            wanted[q] = B[e];
        }
#pragma unroll
        for (int q = 0; q < ROWS_AT_ONCE; q++) {
            REAL z = here[q] - (sums[q] - wanted[q]) * scale;
            if (row + q < r) out[(row + q) * m + j] = z > (REAL)0 ? z : (REAL)0;
        }
    }
}

// Both V and Y are `old` at the start of an update.
static __device__ __noinline__ void begin_piece(const Group& g, integer p, const REAL* old, REAL* V, REAL* Y) {
    integer start = g.start[p];
    int length = (int)(g.stop[p] - start);
    REAL batch[BATCH];
    for (int base = lane_of(); base < length; base += BATCH * WARP) {
        load(old + start, base, length, batch);
#pragma unroll
        for (int q = 0; q < BATCH; q++)
            if (base + q * WARP < length) V[start + base + q * WARP] = Y[start + base + q * WARP] = batch[q];
    }
}

// The outcome where G has no bound here.
#define UNBOUNDED_GRAM 100.0

// Of a piece: how far it moved, and whether the momentum goes uphill there.
static __device__ __noinline__ void measure_piece(const Group& g, const Team& team, integer p, const REAL* V,
                                                  const REAL* Y) {
    double moved = 0.0, uphill = 0.0;
    integer start = g.start[p];
    int length = (int)(g.stop[p] - start);
    REAL now[BATCH], old[BATCH], ahead[BATCH];
    for (int base = lane_of(); base < length; base += BATCH * WARP) {
        load(g.out + start, base, length, now);
        load(V + start, base, length, old);
        load(Y + start, base, length, ahead);
#pragma unroll
        for (int q = 0; q < BATCH; q++) {
            double step = (double)(now[q] - old[q]);
            moved += step * step;
            uphill += (double)(ahead[q] - now[q]) * step;
        }
    }
    put(team, g.sums + 2 * p, warp_sum(moved));
    put(team, g.sums + 2 * p + 1, warp_sum(uphill));
}

// The basis is what was projected, and Y goes beyond it.
static __device__ __noinline__ void move_piece(const Group& g, integer p, REAL beta, int restarts, REAL* V, REAL* Y) {
    integer start = g.start[p];
    int length = (int)(g.stop[p] - start);
    const REAL* out = g.out + start;
    REAL now[BATCH], old[BATCH];
    for (int base = lane_of(); base < length; base += BATCH * WARP) {
        load(out, base, length, now);
        load(V + start, base, length, old);
#pragma unroll
        for (int q = 0; q < BATCH; q++) {
            int e = base + q * WARP;
            if (e >= length) continue;
            Y[start + e] = restarts ? now[q] : now[q] + beta * (now[q] - old[q]);
            V[start + e] = now[q];
        }
    }
}

// The sums of all pieces into the run: momentum, whether it was the last step, the worst outcome of the projection.
static __device__ __noinline__ void add_up(const Group& g, integer kind, int found, double tol, const Own& own,
                                           const Found& to) {
    double moved = 0.0, uphill = 0.0, worst = (double)found, *run = own.state + OF_RUN;
    int warps = (int)(blockDim.x / WARP), warp = (int)(threadIdx.x / WARP);
    integer of_pieces = (g.pieces + WARP - 1) / WARP;
    int busy = of_pieces < warps ? (int)of_pieces : warps;
    for (integer p = threadIdx.x; p < g.pieces; p += blockDim.x) {
        moved += g.sums[2 * p];
        uphill += g.sums[2 * p + 1];
    }
    if (kind == 2) {
        for (integer i = threadIdx.x; i < g.b; i += blockDim.x) {
            double one = to.results[3 * i + 2];
            if (one != UNCHANGED) worst = fmax(worst, one); // whose number is above that of ties
        }
        worst = block_max(worst, own.scratch);
    }
    __syncthreads();
    if (warp < busy) {
        moved = warp_sum(moved);
        uphill = warp_sum(uphill);
        if (lane_of() == 0) {
            own.scratch[2 * warp] = moved;
            own.scratch[2 * warp + 1] = uphill;
        }
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
    moved = uphill = 0.0;
    for (int k = 0; k < busy; k++) {
        moved += own.scratch[2 * k];
        uphill += own.scratch[2 * k + 1];
    }
    double alpha = run[ALPHA], square = alpha * alpha;
    double following = (sqrt(square * square + 4.0 * square) - square) / 2.0;
    int restarts = uphill > 0.0;
    own.state[BETA] = alpha * (1.0 - alpha) / (square + following);
    own.state[RESTARTS] = (double)restarts;
    run[ALPHA] = restarts ? 0.1 : following;
    if (run[COUNT] == 0.0) run[FIRST] = moved;
    else if (moved <= tol * tol * run[FIRST]) run[IS_DONE] = 1.0;
    run[COUNT] += 1.0;
    if (kind == 1) run[HINT] = own.state[MU] + own.state[DELTA];
    if (worst == COLLAPSED || worst >= NOT_FINITE) run[WORST] = worst;
}

// A table into shared memory; returns what follows there.
template <class T> static __device__ double* bring(const T** table, integer count, double* room) {
    T* near = (T*)room;
    for (integer k = threadIdx.x; k < count; k += blockDim.x) near[k] = (*table)[k];
    *table = near;
    return room + count;
}

// What a cluster reads again and again, and what its blocks tell each other, into their shared memory.
static __device__ double* bring_all(Group& g, Found& to, integer kind, double* room) {
    integer r = g.b, pieces = g.pieces;
    room = bring(&g.vector, pieces, room);
    room = bring(&g.start, pieces, room);
    room = bring(&g.stop, pieces, room);
    room = bring(&g.first, r + 1, room);
    room = bring(&g.offsets, r + 1, room);
    room = bring(&g.gain, r, room);
    room = bring(&g.norm, r, room);
    room = bring(&g.span, r, room);
    g.sums = room;
    g.spare = g.sums + SUMS * pieces;
    to.coef = g.spare + SUMS * pieces;
    to.best = (integer*)(to.coef + r);
    room = to.coef + 2 * r;
    if (kind != 1) return room; // what other blocks find of their vectors is read by all
    to.sparsities = room;
    to.results = room + r;
    return room + r + 3;
}

// What an update moves, and by what.
struct Moving {
    const REAL *old;
    REAL *V, *Y, *dense;
    const REAL *B, *G;
    double L, tol;
    integer pad, count;
};

static __device__ void update(Group& g, const Team& grid, integer kind, int may_prune, double below,
                              const double* targets, const Own& own, const Found& to, const Moving& x, double* room) {
    double* state = own.state;
    REAL* tile = (REAL*)(room + 2 * g.b + (room + 2 * g.b - own.state) % 2);
    integer r = g.b, m = g.offsets[1] - g.offsets[0], warps = warps_of(grid), warp = warp_of(grid);
    double L = x.L;
    if (state[OF_RUN + IS_DONE] != 0.0) return;
    if (x.pad) {
        load_gram(x.G, r, x.pad, tile);
        if (L == 0.0) L = largest_eigenvalue(tile, r, x.pad, room, own.scratch);
        if (!(L > 0.0)) {
            if (threadIdx.x == 0) state[OF_RUN + WORST] = UNBOUNDED_GRAM;
            __syncthreads();
            return;
        }
        for (integer p = warp; p < g.pieces; p += warps) begin_piece(g, p, x.old, x.V, x.Y);
        sync(grid, own.flag);
    }
    for (integer step = 0; step < x.count; step++) {
        if (x.pad) {
            gradient(grid, x.Y, x.B, tile, x.pad, r, m, (REAL)(1.0 / L), x.dense);
            sync(grid, own.flag);
        }
        int found = ROOT;
        // A little below the last one most of a large group can be left aside at once.
        double mu0 = below * state[OF_RUN + HINT];
        if (kind == 1) found = project_group(g, grid, mu0, may_prune, own, to, to.results, x.V, x.Y);
        if (kind == 2) {
            project_each(g, grid, targets, own, to);
            sync(grid, own.flag);
        }
        for (integer p = warp; kind != 1 && p < g.pieces; p += warps) measure_piece(g, grid, p, x.V, x.Y);
        if (arrive(grid, own.flag)) {
            add_up(g, kind, found, x.tol, own, to);
            tell(grid, own);
        }
        hear(grid, own);
        turn(&g);
        REAL beta = (REAL)state[BETA];
        int restarts = state[RESTARTS] != 0.0;
        for (integer p = warp; p < g.pieces; p += warps) move_piece(g, p, beta, restarts, x.V, x.Y);
        if (state[OF_RUN + IS_DONE] != 0.0 || state[OF_RUN + WORST] != 0.0) break;
        sync(grid, own.flag);
    }
}

static __device__ void work(Group& g, const Team& grid, integer kind, int may_prune, double below, double hint,
                            const double* targets, double* shared, Found to, const Moving& x, double* run) {
    Own own = own_of(shared);
    double *state = own.state, *room = own.scratch + 7 * (blockDim.x / WARP) + 1, *sparsities = to.sparsities;
    double* results = to.results;
    if (grid.is_cluster) room = bring_all(g, to, kind, room);
    if (threadIdx.x < RUN) {
        double begin = threadIdx.x == ALPHA ? 0.1 : threadIdx.x == HINT ? hint : 0.0;
        state[OF_RUN + threadIdx.x] = hint < 0.0 ? run[threadIdx.x] : begin;
    }
    __syncthreads();
    if (grid.is_cluster) meet_in_cluster(); // all have begun: before that no block may write into another's memory
    if (x.count > 0) {
        update(g, grid, kind, may_prune, below, targets, own, to, x, room);
    } else if (kind == 2) {
        project_each(g, grid, targets, own, to);
    } else {
        project_group(g, grid, below * state[OF_RUN + HINT], may_prune, own, to, to.results, 0, 0);
        __syncthreads();
        if (threadIdx.x == 0) state[OF_RUN + HINT] = to.results[0];
        for (integer i = threadIdx.x; grid.is_cluster && grid.rank == 0 && i < g.b; i += blockDim.x)
            sparsities[i] = to.sparsities[i];
        if (grid.is_cluster && grid.rank == 0 && threadIdx.x < 3) results[threadIdx.x] = to.results[threadIdx.x];
        __syncthreads();
    }
    if (grid.rank == 0 && threadIdx.x < RUN) run[threadIdx.x] = state[OF_RUN + threadIdx.x];
    if (grid.is_cluster) meet_in_cluster(); // others may still write into this block's memory
}

// Every kernel that projects a group takes these. A search begins at `below` times the hint.
#define GROUP_ARGUMENTS                                                                                                \
    REAL *c, const REAL *w, integer w_kind, const integer *vector, const integer *start, const integer *stop,          \
        const integer *first, const integer *offsets, const double *gain, const double *norm, const double *span,      \
        integer pieces, integer r, double s, integer may_prune, double below, double hint, REAL *out, double *sums,    \
        integer *live, double *coef, integer *best, double *sparsities, double *results, unsigned int *barrier,        \
        double *told, double *run

// The blocks, the group, and what is found, from these arguments.
#define GROUP_OF_ARGUMENTS(is_cluster)                                                                                 \
    DYNAMIC_SHARED                                                                                                     \
    Team grid = {(integer)blockIdx.x, (integer)gridDim.x, barrier, told, is_cluster};                                  \
    Group g = {c,   w,    w_kind, vector, start, stop, first,  offsets, gain, norm,                                    \
               span, out, sums,   sums,   live,  pieces, 0,    r,       s};                                            \
    Found to = {coef, sparsities, results, best};

// `count` 0: project c into out. `kind` 1: all vectors one group, 2: every vector a group of its own, to its own of the
// targets. The search of one group begins where the run says if the hint is negative, and leaves its multiplier there.
// Else at most `count` steps of length ``1 / L`` by fast gradient, each projected; `kind` 0: no projection. V begins as
// `old`. L = 0: the largest eigenvalue of G is found here, and the outcome is UNBOUNDED_GRAM where it is not. `pad` 0:
// one step that goes on, whose gradient was computed before, into c; nothing happens to a run that is done. An update
// begins with the hint, or goes on where that is negative.
#define UPDATE_ARGUMENTS                                                                                               \
    integer kind, const double *targets, const REAL *old, REAL *V, REAL *Y, const REAL *B, const REAL *G, double L,    \
        integer pad, integer count, double tol

#define WORK(is_cluster)                                                                                               \
    GROUP_OF_ARGUMENTS(is_cluster)                                                                                     \
    Moving x = {old, V, Y, c, B, G, L, tol, pad, count};                                                               \
    work(g, grid, kind, (int)may_prune, below, hint, targets, dynamic_shared, to, x, run);

extern "C" __global__ void __launch_bounds__(1024)
project(GROUP_ARGUMENTS, UPDATE_ARGUMENTS) {
    WORK(0)
}

// The same by one cluster, for what is small: its blocks meet ten times as quickly.
extern "C" __global__ void IN_CLUSTER __launch_bounds__(512)
project_in_cluster(GROUP_ARGUMENTS, UPDATE_ARGUMENTS) {
    WORK(1)
}

// A step's gradient from the product ``G Y`` in `out`, in place.
extern "C" __global__ void __launch_bounds__(256)
clip_step(const REAL* Y, const REAL* B, integer size, double scale, REAL* out, const double* run) {
    if (run[IS_DONE] != 0.0) return;
    integer all = (integer)gridDim.x * blockDim.x;
    for (integer e = (integer)blockIdx.x * blockDim.x + threadIdx.x; e < size; e += all) {
        REAL z = Y[e] - (out[e] - B[e]) * (REAL)scale;
        out[e] = z > (REAL)0 ? z : (REAL)0;
    }
}
