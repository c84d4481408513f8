// Shared-price HALS in one launch: all sweeps over the basis images, and after each the price that meets the target.
//
// As `backends.cpu.price`, on ``R = B' - V' G``, a pixel a row. The pixels are cut into strips, the same for all images,
// and a strip belongs to a warp: what an image changes in V and R is read by that warp alone, so all blocks meet once an
// image, for the sums that its threshold and length follow from. The image's length comes along with the one before it.
// The search for the price is that of the projection, without its output; the last sweep is recognized here as well.

// The largest threshold, as a part of the one that leaves nothing; as in `backends.backend`.
#define LARGEST_THRESHOLD 0.999
// Changed pixels whose rows of R are on their way together.
#define ROWS_TOGETHER 4

// What is told of an image, where a search keeps its own numbers: nothing of both is needed at a time.
enum { AT, SCALE, LENGTH, NEXT, IS_ABOVE, PRICED };

struct Priced {
    const REAL *old, *B, *product, *G; // product: G old
    REAL *V, *R, *wanted;
    double* sums;
    double share, tol;
    integer r, m, width, strips, count;
};

// Sums of each strip, at `turn` 0 and 1 as a slow block of a cluster still reads the last ones; the squares of each
// image there, how far all moved, and once the lengths of all images.
struct Strips {
    double *m1, *m2, *top, *squares, *moved, *lengths;
};

static __device__ Strips strips_of(const Priced& x, int turn) {
    double *sums = x.sums + 3 * turn * x.strips, *squares = x.sums + 6 * x.strips;
    double* moved = squares + x.r * x.strips;
    Strips found = {sums, sums + x.strips, sums + 2 * x.strips, squares, moved, moved + x.strips};
    return found;
}

// Sums over all strips, and the largest of `top`, the same in all threads; what is 0 is left out.
static __device__ __noinline__ void add_strips(const double* a, const double* b, const double* c, const double* top,
                                               integer strips, double* scratch, double* all) {
    int warps = (int)(blockDim.x / WARP), warp = (int)(threadIdx.x / WARP);
    integer of_strips = (strips + WARP - 1) / WARP;
    int busy = of_strips < warps ? (int)of_strips : warps;
    for (int q = 0; q < 4; q++) all[q] = 0.0;
    for (integer p = threadIdx.x; p < strips; p += blockDim.x) {
        if (a) all[0] += a[p];
        if (b) all[1] += b[p];
        if (c) all[2] += c[p];
        if (top) all[3] = fmax(all[3], top[p]);
    }
    __syncthreads();
    if (warp < busy) {
        for (int q = 0; q < 4; q++) {
            double x = q == 3 ? warp_max(all[q]) : warp_sum(all[q]);
            if (lane_of() == 0) scratch[4 * warp + q] = x;
        }
    }
    __syncthreads();
    for (int q = 0; q < 4; q++) all[q] = 0.0;
    for (int k = 0; k < busy; k++) {
        for (int q = 0; q < 3; q++) all[q] += scratch[4 * k + q];
        all[3] = fmax(all[3], scratch[4 * k + 3]);
    }
}

// Moments of what the threshold leaves of an image's strip; with `correlates` the correlation there first, and from which
// threshold on nothing is left.
static __device__ __noinline__ void look_at_strip(const Group& g, const Priced& x, integer k, integer p, REAL own,
                                                  double t, int correlates, const Strips& to) {
    integer stop = (p + 1) * x.width < x.m ? (p + 1) * x.width : x.m;
    double m1 = 0.0, m2 = 0.0, top = 0.0;
    for (integer j = p * x.width + lane_of(); j < stop; j += WARP) {
        integer e = k * x.m + j;
        REAL now = (REAL)0;
        if (!correlates) now = x.wanted[e];
        else if (own > (REAL)0) now = x.R[j * x.r + k] + own * x.V[e];
        now = now > (REAL)0 ? now : (REAL)0;
        if (correlates) x.wanted[e] = now;
        double size = (double)now, weight = weight_at(g, k, e), z = excess(size, weight, t);
        if (z > 0.0) {
            m1 += weight * z;
            m2 += z * z;
        }
        if (size > 0.0) top = fmax(top, weight > 0.0 ? size / weight : infinity_());
    }
    m1 = warp_sum(m1);
    m2 = warp_sum(m2);
    top = warp_max(top);
    if (lane_of() != 0) return;
    to.m1[p] = m1;
    to.m2[p] = m2;
    if (correlates) to.top[p] = top;
    if (correlates && k == 0) to.moved[p] = 0.0;
}

// R without what some pixels of a warp have changed by: rows of changed pixels, a few at a time.
static __device__ void correct_rows(const Priced& x, integer k, integer base, REAL step) {
    unsigned int changed = __ballot_sync(EVERY_LANE, step != (REAL)0);
    const REAL* g = x.G + k * x.r;
    while (changed) {
        REAL by[ROWS_TOGETHER], left[ROWS_TOGETHER];
        REAL* row[ROWS_TOGETHER];
        int count = 0;
#pragma unroll
        for (int q = 0; q < ROWS_TOGETHER; q++) {
            int lane = changed ? __ffs((int)changed) - 1 : 0;
            count += changed != 0;
            changed &= changed - 1u;
            by[q] = __shfl_sync(EVERY_LANE, step, lane);
            row[q] = x.R + (base + lane) * x.r;
        }
        for (integer i = lane_of(); i < x.r; i += WARP) {
            REAL own = g[i];
#pragma unroll
            for (int q = 0; q < ROWS_TOGETHER; q++)
                if (q < count) left[q] = row[q][i];
#pragma unroll
            for (int q = 0; q < ROWS_TOGETHER; q++)
                if (q < count) row[q][i] = left[q] - by[q] * own;
        }
    }
    __syncwarp();
}

// The new image in a strip, and its part of R; what was wanted there is multiplied by the new length.
static __device__ __noinline__ void replace_strip(const Group& g, const Priced& x, integer k, integer p, double t,
                                                  double scale, double length, const Strips& to) {
    integer stop = (p + 1) * x.width < x.m ? (p + 1) * x.width : x.m;
    double moved = 0.0, square = 0.0;
    for (integer base = p * x.width; base < stop; base += WARP) {
        integer j = base + lane_of(), e = k * x.m + j;
        REAL step = (REAL)0;
        if (j < stop) {
            double size = (double)x.wanted[e], z = excess(size, weight_at(g, k, e), t);
            REAL now = z > 0.0 ? (REAL)(z * scale) : (REAL)0;
            x.wanted[e] = (REAL)(size * length);
            step = now - x.V[e];
            x.V[e] = now;
            moved += (double)step * (double)step;
            square += (double)now * (double)now;
        }
        correct_rows(x, k, base, step);
    }
    moved = warp_sum(moved);
    square = warp_sum(square);
    if (lane_of() != 0) return;
    to.moved[p] += moved;
    to.squares[k * x.strips + p] = square;
}

// Threshold, factor and length of an image from its sums, by one block; `may_be_above`: whether the threshold can be
// one that leaves nothing.
static __device__ void decide(const Own& own, double square, double t, double length, const double* all,
                              int may_be_above) {
    if (threadIdx.x != 0) return;
    double *state = own.state, m1 = all[0], m2 = all[1], most = LARGEST_THRESHOLD * all[3];
    state[IS_ABOVE] = (double)(may_be_above && t > most);
    state[AT] = state[IS_ABOVE] != 0.0 ? most : t;
    state[SCALE] = 0.0;
    state[LENGTH] = length;
    if (!(m2 > 0.0)) return;
    // The correlation is z + t w where z is not zero, so its product with z needs no other sum.
    double fit = m2 + t * m1;
    state[LENGTH] = fit / (sqrt(m2) * square);
    state[SCALE] = fit / (m2 * square);
}

// One sweep. Begins with the length of the first image, and returns that after the sweep; `moved` becomes ``||step||^2``.
static __device__ double sweep_images(const Group& g, const Team& team, const Own& own, const Priced& x, double price,
                                      double length, int* turn, double* moved) {
    double *state = own.state, all[4];
    integer warp = warp_of(team), warps = warps_of(team);
    for (integer k = 0; k < x.r; k++) {
        REAL diagonal = x.G[k * x.r + k];
        double t = length > 0.0 ? price * g.gain[k] / length : 0.0;
        Strips to = strips_of(x, *turn);
        const double* next = k + 1 < x.r ? to.squares + (k + 1) * x.strips : 0;
        for (integer p = warp; p < x.strips; p += warps) look_at_strip(g, x, k, p, diagonal, t, 1, to);
        if (arrive(team, own.flag)) {
            add_strips(to.m1, to.m2, next, to.top, x.strips, own.scratch, all);
            decide(own, (double)diagonal, t, length, all, 1);
            if (threadIdx.x == 0) state[NEXT] = sqrt(all[2]);
            tell(team, own);
        }
        hear(team, own);
        *turn ^= 1;
        double following = state[NEXT];
        t = state[AT];
        if (state[IS_ABOVE] != 0.0) {
            to = strips_of(x, *turn);
            for (integer p = warp; p < x.strips; p += warps) look_at_strip(g, x, k, p, diagonal, t, 0, to);
            if (arrive(team, own.flag)) {
                add_strips(to.m1, to.m2, 0, 0, x.strips, own.scratch, all);
                decide(own, (double)diagonal, t, length, all, 0);
                tell(team, own);
            }
            hear(team, own);
            *turn ^= 1;
        }
        double scale = state[SCALE], reached = state[LENGTH];
        if (diagonal > (REAL)0)
            for (integer p = warp; p < x.strips; p += warps) replace_strip(g, x, k, p, t, scale, reached, to);
        length = following;
    }
    Strips to = strips_of(x, *turn);
    if (arrive(team, own.flag)) {
        add_strips(to.moved, to.squares, 0, 0, x.strips, own.scratch, all);
        if (threadIdx.x == 0) {
            state[AT] = all[0];
            state[NEXT] = sqrt(all[1]);
        }
        tell(team, own);
    }
    hear(team, own);
    *moved = state[AT];
    return state[NEXT];
}

// V as it begins, R, and the squares of all images.
static __device__ __noinline__ void begin_strip(const Priced& x, integer p, const Strips& to) {
    integer start = p * x.width, stop = start + x.width < x.m ? start + x.width : x.m;
    for (integer k = 0; k < x.r; k++) {
        double square = 0.0;
#pragma unroll 4
        for (integer j = start + lane_of(); j < stop; j += WARP) {
            integer e = k * x.m + j;
            REAL now = x.old[e];
            x.V[e] = now;
            x.R[j * x.r + k] = x.B[e] - x.product[e];
            square += (double)now * (double)now;
        }
        square = warp_sum(square);
        if (lane_of() == 0) to.squares[k * x.strips + p] = square;
    }
}

// What the first price is found from: all images at once.
static __device__ __noinline__ void want_strip(const Priced& x, integer p, const Strips& to) {
    integer start = p * x.width, stop = start + x.width < x.m ? start + x.width : x.m;
    for (integer k = 0; k < x.r; k++) {
        REAL own = x.G[k * x.r + k], length = (REAL)to.lengths[k];
        for (integer j = start + lane_of(); j < stop; j += WARP) {
            REAL now = x.R[j * x.r + k] + own * x.V[k * x.m + j];
            x.wanted[k * x.m + j] = now > (REAL)0 ? now * length : (REAL)0;
        }
    }
}

// Moves the price to where the average meets the target; whether that was found here.
static __device__ int find_price(Group& g, const Team& team, double mu0, int may_prune, const Own& own,
                                 const Found& to) {
    int found = search(g, team, mu0, may_prune, own, to);
    // A slow block may still read the last results.
    if (team.is_cluster) meet_in_cluster();
    if (threadIdx.x == 0) {
        double mu = own.state[MU] + own.state[DELTA];
        own.state[OF_RUN + HINT] = found == UNCHANGED || mu < 0.0 ? 0.0 : mu; // below 0 by rounding
        if (found != ROOT && found != UNCHANGED) own.state[OF_RUN + WORST] = (double)found;
    }
    __syncthreads();
    return found == ROOT || found == UNCHANGED;
}

static __device__ void update_at_price(Group& g, const Team& grid, int may_prune, double below, double hint,
                                       double* shared, Found to, const Priced& x, double* run) {
    Own own = own_of(shared);
    double *state = own.state, first = 0.0, moved = 0.0;
    integer warp = warp_of(grid), warps = warps_of(grid);
    if (grid.is_cluster) bring_all(g, to, 1, own.scratch + 7 * (blockDim.x / WARP) + 1);
    if (threadIdx.x < RUN) state[OF_RUN + threadIdx.x] = threadIdx.x == HINT ? hint : 0.0;
    __syncthreads();
    if (grid.is_cluster) meet_in_cluster(); // all have begun: before that no block may write into another's memory
    Strips strips = strips_of(x, 0);
    for (integer p = warp; p < x.strips; p += warps) begin_strip(x, p, strips);
    sync(grid, own.flag);
    for (integer k = warp; k < x.r; k += warps) {
        double square = 0.0;
        for (integer p = lane_of(); p < x.strips; p += WARP) square += strips.squares[k * x.strips + p];
        square = warp_sum(square);
        if (lane_of() == 0) strips.lengths[k] = sqrt(square);
    }
    sync(grid, own.flag);
    double length = strips.lengths[0];
    int turn = 0, goes_on = 1;
    if (hint < 0.0) {
        for (integer p = warp; p < x.strips; p += warps) want_strip(x, p, strips);
        sync(grid, own.flag);
        goes_on = find_price(g, grid, 0.0, may_prune, own, to);
    }
    for (integer sweep = 0; goes_on && sweep < x.count; sweep++) {
        length = sweep_images(g, grid, own, x, x.share * state[OF_RUN + HINT], length, &turn, &moved);
        if (!find_price(g, grid, below * state[OF_RUN + HINT], may_prune, own, to)) break;
        if (sweep == 0) first = moved;
        else if (moved <= x.tol * x.tol * first) break;
    }
    if (grid.rank == 0 && threadIdx.x < RUN) run[threadIdx.x] = state[OF_RUN + threadIdx.x];
    if (grid.is_cluster) meet_in_cluster(); // others may still write into this block's memory
}

// What both kernels take beside a group, and do with it. `hint` < 0: no price is known. Strips are `width` pixels wide.
// The run keeps the price, and the outcome of a search that the host has to settle.
#define PRICE_ARGUMENTS                                                                                                \
    const REAL *old, REAL *V, REAL *R, const REAL *B, const REAL *product, const REAL *G, double share, integer width, \
        integer strips, double *of_strips, integer count, double tol

#define PRICE(is_cluster)                                                                                              \
    GROUP_OF_ARGUMENTS(is_cluster)                                                                                     \
    integer m = offsets[1] - offsets[0];                                                                                   \
    Priced x = {old, B, product, G, V, R, c, of_strips, share, tol, r, m, width, strips, count};                       \
    update_at_price(g, grid, (int)may_prune, below, hint, dynamic_shared, to, x, run);

extern "C" __global__ void __launch_bounds__(1024)
price(GROUP_ARGUMENTS, PRICE_ARGUMENTS) {
    PRICE(0)
}

extern "C" __global__ void IN_CLUSTER __launch_bounds__(512)
price_in_cluster(GROUP_ARGUMENTS, PRICE_ARGUMENTS) {
    PRICE(1)
}
