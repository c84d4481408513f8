// Updates of one factor whose columns do not meet: HALS sweeps and fast gradient steps, 64 columns a block.
//
// A thread owns a column, so a block of `backend.HALS_BLOCK` columns stops on its own as it does on every backend.
// Rows of the Gram matrix pass through shared memory: all of them stay there where they fit, else a few at a time.

#define LANES 64

// Rows row..row + count of G (r, r) into shared memory, `pad` numbers apart.
static __device__ void load_rows(REAL* tile, const REAL* G, integer r, integer row, integer count, integer pad) {
    __syncthreads();
    for (integer e = threadIdx.x; e < count * r; e += LANES) tile[e / r * pad + e % r] = G[row * r + e];
    __syncthreads();
}

// ``<g, h>`` and ``<f, h>``: a number of h that is loaded serves both.
static __device__ void two_products(const REAL* g, const REAL* f, const REAL* h, integer stride, int r, REAL* both) {
    REAL one = (REAL)0, more = (REAL)0, two = (REAL)0, rest = (REAL)0;
    int i = 0;
#pragma unroll 4
    for (; i + 4 <= r; i += 4) {
        Four x = *(const Four*)(g + i), y = *(const Four*)(f + i);
        const REAL* at = h + i * stride;
        REAL a = at[0], b = at[stride], c = at[2 * stride], d = at[3 * stride];
        one += x.at[0] * a;
        two += y.at[0] * a;
        more += x.at[1] * b;
        rest += y.at[1] * b;
        one += x.at[2] * c;
        two += y.at[2] * c;
        more += x.at[3] * d;
        rest += y.at[3] * d;
    }
    for (; i < r; i++) {
        REAL a = h[i * stride];
        one += g[i] * a;
        two += f[i] * a;
    }
    both[0] = one + more;
    both[1] = two + rest;
}

// A step of an entry of h: by `left`, what the fit lacks, over the diagonal, and not below 0.
static __device__ REAL step_of(REAL* h, REAL left, REAL inverse) {
    REAL step = left * inverse, low = -*h;
    step = step > low ? step : low;
    *h += step;
    return step;
}

// HALS sweeps of V (r, n) from `old` for ``min_V>=0 <V, G V> - 2 <B, V>``. `rows` of G are in shared memory at once; an
// even number, or all; `pad` numbers apart, a multiple of 4. `keeps` 1: the columns too.
extern "C" __global__ void __launch_bounds__(LANES)
hals(const REAL* old, REAL* V, const REAL* B, const REAL* G, integer r, integer n, integer n_inner, double tol,
     integer rows, integer pad, integer keeps) {
    DYNAMIC_SHARED
    double* scratch = dynamic_shared;
    REAL *tile = (REAL*)(scratch + LANES / WARP), *inverse = tile + rows * pad;
    integer j = (integer)blockIdx.x * LANES + threadIdx.x, stride = keeps ? LANES : n;
    int inside = j < n;
    REAL *h = keeps ? inverse + rows + threadIdx.x : V + j, both[2];
#pragma unroll 4
    for (integer k = 0; k < r; k++) {
        if (inside) h[k * stride] = old[k * n + j];
        else if (keeps) h[k * stride] = (REAL)0;
    }
    double first = 0.0;
    for (integer sweep = 0; sweep < n_inner; sweep++) {
        double moved = 0.0;
        for (integer row = 0; row < r; row += rows) {
            integer count = r - row < rows ? r - row : rows;
            if (sweep == 0 || rows < r) {
                load_rows(tile, G, r, row, count, pad);
                for (integer q = threadIdx.x; q < count; q += LANES) {
                    REAL diagonal = tile[q * pad + row + q];
                    inverse[q] = diagonal > (REAL)0 ? (REAL)1 / diagonal : (REAL)0;
                }
                __syncthreads();
            }
            if (!inside) continue;
            // Two rows at a time; B is loaded a pair ahead, as nothing else hides the wait for it.
            const REAL* b = B + row * n + j;
            REAL one = b[0], two = count > 1 ? b[n] : (REAL)0;
            for (integer q = 0; q < count; q += 2) {
                integer k = row + q, pair = q + 1 < count;
                const REAL *g = tile + q * pad, *f = g + pair * pad;
                REAL next_one = q + 2 < count ? b[(q + 2) * n] : (REAL)0;
                REAL next_two = q + 3 < count ? b[(q + 3) * n] : (REAL)0;
                if (keeps) two_products(g, f, h, LANES, (int)r, both);
                else two_products(g, f, h, n, (int)r, both);
                REAL step = (REAL)0;
                if (inverse[q] > (REAL)0) {
                    step = step_of(h + k * stride, one - both[0], inverse[q]);
                    moved += (double)(step * step);
                }
                if (pair && inverse[q + 1] > (REAL)0) { // corrected for the first
                    step = step_of(h + (k + 1) * stride, two - both[1] - f[k] * step, inverse[q + 1]);
                    moved += (double)(step * step);
                }
                one = next_one;
                two = next_two;
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
            if (step == 0 || rows < r) load_rows(tile, G, r, row, count, r);
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
