// Updates of one factor whose columns do not meet: HALS sweeps and fast gradient steps, 64 columns a block.
//
// A thread owns a column, so a block of `backend.HALS_BLOCK` columns stops on its own as it does on every backend.
// Rows of the Gram matrix pass through shared memory: all of them stay there where they fit, else a few at a time.

#define LANES 64

// Rows row..row + count of G (r, r) into shared memory.
static __device__ void load_rows(REAL* tile, const REAL* G, integer r, integer row, integer count) {
    __syncthreads();
    for (integer e = threadIdx.x; e < count * r; e += LANES) tile[e] = G[row * r + e];
    __syncthreads();
}

// HALS sweeps of V (r, n) in place for ``min_V>=0 <V, G V> - 2 <B, V>``. `rows` of G are in shared memory at once; an
// even number, or all. `keeps` 1: the columns too.
extern "C" __global__ void __launch_bounds__(LANES)
hals(REAL* V, const REAL* B, const REAL* G, integer r, integer n, integer n_inner, double tol, integer rows,
     integer keeps) {
    DYNAMIC_SHARED
    double* scratch = dynamic_shared;
    REAL* tile = (REAL*)(scratch + LANES / WARP);
    integer j = (integer)blockIdx.x * LANES + threadIdx.x, stride = keeps ? LANES : n;
    int inside = j < n;
    REAL* h = keeps ? tile + rows * r + threadIdx.x : V + j;
    if (keeps)
        for (integer k = 0; k < r; k++) h[k * stride] = inside ? V[k * n + j] : (REAL)0;
    double first = 0.0;
    for (integer sweep = 0; sweep < n_inner; sweep++) {
        double moved = 0.0;
        for (integer row = 0; row < r; row += rows) {
            integer count = r - row < rows ? r - row : rows;
            if (sweep == 0 || rows < r) load_rows(tile, G, r, row, count);
            if (!inside) continue;
            // Two rows at a time: a value of h that is loaded serves both. The second is corrected for the first.
            for (integer q = 0; q < count; q += 2) {
                integer k = row + q;
                int pair = q + 1 < count;
                const REAL *g = tile + q * r, *f = tile + (q + pair) * r;
                REAL one = B[k * n + j], two = pair ? B[(k + 1) * n + j] : (REAL)0;
#pragma unroll 4
                for (integer i = 0; i < r; i++) {
                    REAL value = h[i * stride];
                    one -= g[i] * value;
                    two -= f[i] * value;
                }
                if (g[k] > (REAL)0) {
                    REAL step = one / g[k], low = -h[k * stride];
                    step = step > low ? step : low;
                    h[k * stride] += step;
                    two -= f[k] * step;
                    moved += (double)(step * step);
                }
                if (pair && f[k + 1] > (REAL)0) {
                    REAL step = two / f[k + 1], low = -h[(k + 1) * stride];
                    step = step > low ? step : low;
                    h[(k + 1) * stride] += step;
                    moved += (double)(step * step);
                }
            }
        }
        moved = block_sum(moved, scratch);
        if (sweep == 0) first = moved;
        else if (moved <= tol * tol * first) break;
    }
    if (keeps && inside)
        for (integer k = 0; k < r; k++) V[k * n + j] = h[k * stride];
}

// Fast gradient steps of length 1 / L of V (r, n) in place; `more` (2, r, n) is room to work in.
extern "C" __global__ void __launch_bounds__(LANES)
descend(REAL* V, const REAL* B, const REAL* G, integer r, integer n, double L, integer n_inner, double tol,
        integer rows, REAL* more) {
    DYNAMIC_SHARED
    double* scratch = dynamic_shared;
    REAL* tile = (REAL*)(scratch + LANES / WARP);
    integer j = (integer)blockIdx.x * LANES + threadIdx.x;
    int inside = j < n;
    REAL *h = V + j, *y = more + j, *now = more + r * n + j, scale = (REAL)1 / (REAL)L;
    for (integer k = 0; k < r && inside; k++) y[k * n] = h[k * n];
    double first = 0.0, alpha = 0.1;
    for (integer step = 0; step < n_inner; step++) {
        double square = alpha * alpha, following = (sqrt(square * square + 4.0 * square) - square) / 2.0;
        REAL beta = (REAL)(alpha * (1.0 - alpha) / (square + following));
        alpha = following;
        for (integer row = 0; row < r; row += rows) {
            integer count = r - row < rows ? r - row : rows;
            if (step == 0 || rows < r) load_rows(tile, G, r, row, count);
            for (integer q = 0; q < count && inside; q++) {
                integer k = row + q;
                const REAL* g = tile + q * r;
                REAL left = B[k * n + j];
#pragma unroll 4
                for (integer i = 0; i < r; i++) left -= g[i] * y[i * n];
                REAL z = y[k * n] + left * scale;
                now[k * n] = z > (REAL)0 ? z : (REAL)0;
            }
        }
        double moved = 0.0;
        for (integer k = 0; k < r && inside; k++) {
            REAL d = now[k * n] - h[k * n];
            y[k * n] = now[k * n] + beta * d;
            h[k * n] = now[k * n];
            moved += (double)(d * d);
        }
        moved = block_sum(moved, scratch);
        if (step == 0) first = moved;
        else if (moved <= tol * tol * first) break;
    }
}
