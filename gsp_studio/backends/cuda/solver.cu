// What an iteration needs beside its products and steps: balancing, the numbers that are told of an iterate.

// ``out = now + beta (now - old)``; in `sums`, two for each block, ``||now - old||^2`` and ``<Y - now, now - old>``.
extern "C" __global__ void __launch_bounds__(256)
momentum(const REAL* now, const REAL* old, const REAL* Y, integer size, double beta, REAL* out, double* sums) {
    DYNAMIC_SHARED
    integer all = (integer)gridDim.x * blockDim.x;
    double moved = 0.0, uphill = 0.0;
    for (integer e = (integer)blockIdx.x * blockDim.x + threadIdx.x; e < size; e += all) {
        REAL step = now[e] - old[e];
        moved += (double)step * (double)step;
        uphill += (double)(Y[e] - now[e]) * (double)step;
        out[e] = now[e] + (REAL)beta * step;
    }
    moved = block_sum(moved, dynamic_shared);
    uphill = block_sum(uphill, dynamic_shared);
    if (threadIdx.x == 0) {
        sums[2 * blockIdx.x] = moved;
        sums[2 * blockIdx.x + 1] = uphill;
    }
}

// A sum for each block: of ``(a - b)^2`` for `kind` 0, of ``a[index]^2`` over `size` indices for `kind` 1.
extern "C" __global__ void __launch_bounds__(256)
squares(const REAL* a, const REAL* b, const integer* index, integer size, integer kind, double* sums) {
    DYNAMIC_SHARED
    integer all = (integer)gridDim.x * blockDim.x;
    double total = 0.0;
    for (integer e = (integer)blockIdx.x * blockDim.x + threadIdx.x; e < size; e += all) {
        double d = kind == 0 ? (double)a[e] - (double)b[e] : (double)a[index[e]];
        total += d * d;
    }
    total = block_sum(total, dynamic_shared);
    if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

// The fit ``W H`` into the missing entries of Xt (n, m): entry e of them is `where[e]` of the flat array.
extern "C" __global__ void __launch_bounds__(256)
refill(REAL* Xt, const REAL* V, const REAL* H, const integer* where, integer count, integer r, integer m, integer n) {
    integer all = (integer)gridDim.x * blockDim.x;
    for (integer e = (integer)blockIdx.x * blockDim.x + threadIdx.x; e < count; e += all) {
        integer j = where[e] / m, i = where[e] % m;
        REAL fit = (REAL)0;
        for (integer k = 0; k < r; k++) fit += V[k * m + i] * H[k * n + j];
        Xt[where[e]] = fit;
    }
}

enum { ROW_L1, ROW_L2, ROW_TOP, ROW_B, ROW_G, ROW_USE, ROW_SUM, ROW_NUMBERS };

// A block for each row of V (r, m): ``w'|v|``, ``||v||^2``, ``max |v|``, ``<v, b>``, ``<own_k, G_k>``, ``G_kk`` and the
// sum of v. `gram` 0: B, own and G are not there.
extern "C" __global__ void __launch_bounds__(256)
row_numbers(const REAL* V, integer r, integer m, const REAL* w, integer w_kind, const REAL* B, const REAL* own,
            const REAL* G, integer gram, double* out) {
    DYNAMIC_SHARED
    integer k = blockIdx.x;
    double l1 = 0.0, l2 = 0.0, top = 0.0, with_b = 0.0, with_g = 0.0, sum = 0.0;
    for (integer j = threadIdx.x; j < m; j += blockDim.x) {
        double v = (double)V[k * m + j], size = fabs(v);
        l1 += w_kind == 0 ? size : size * (double)w[w_kind == 1 ? j : k * m + j];
        l2 += v * v;
        sum += v;
        top = size <= UNBOUNDED ? fmax(top, size) : infinity_();
        if (gram) with_b += v * (double)B[k * m + j];
    }
    if (gram)
        for (integer i = threadIdx.x; i < r; i += blockDim.x) with_g += (double)own[k * r + i] * (double)G[k * r + i];
    l1 = block_sum(l1, dynamic_shared);
    l2 = block_sum(l2, dynamic_shared);
    top = block_max(top, dynamic_shared);
    with_b = block_sum(with_b, dynamic_shared);
    with_g = block_sum(with_g, dynamic_shared);
    sum = block_sum(sum, dynamic_shared);
    if (threadIdx.x == 0) {
        double* row = out + k * ROW_NUMBERS;
        row[ROW_L1] = l1;
        row[ROW_L2] = l2;
        row[ROW_TOP] = top;
        row[ROW_B] = with_b;
        row[ROW_G] = with_g;
        row[ROW_USE] = gram ? (double)G[k * r + k] : 0.0;
        row[ROW_SUM] = sum;
    }
}

// By how much row k is scaled so that the factors' norms there have this ratio; 1 for dead rows and held ones.
static __device__ double balance_of(const double* numbers, const REAL* G, integer r, integer k, const integer* held,
                                    double ratio) {
    double nv = sqrt(numbers[k * ROW_NUMBERS + ROW_L2]), nh = sqrt(fmax((double)G[k * r + k], 0.0));
    return nv > 0.0 && nh > 0.0 && held[k] == 0 ? sqrt(nh / nv * ratio) : 1.0;
}

// Rows of V (r, m), H (r, n), B (r, m) and G (r, r) scaled; a block's x is its row.
extern "C" __global__ void __launch_bounds__(256)
balance(const REAL* V, const REAL* H, const REAL* B, const REAL* G, const double* numbers, const integer* held,
        double ratio, integer r, integer m, integer n, REAL* new_V, REAL* new_H, REAL* new_B, REAL* new_G) {
    integer k = blockIdx.x, here = (integer)blockIdx.y * blockDim.x + threadIdx.x;
    integer all = (integer)gridDim.y * blockDim.x;
    double f = balance_of(numbers, G, r, k, held, ratio);
    REAL up = (REAL)f, down = (REAL)(1.0 / f);
    for (integer j = here; j < m; j += all) {
        new_V[k * m + j] = V[k * m + j] * up;
        new_B[k * m + j] = B[k * m + j] * down;
    }
    for (integer j = here; j < n; j += all) new_H[k * n + j] = H[k * n + j] * down;
    for (integer i = here; i < r; i += all)
        new_G[k * r + i] = G[k * r + i] * down * (REAL)(1.0 / balance_of(numbers, G, r, i, held, ratio));
}

// ``B - penalty_k (1 - shape_k V)``: the right-hand side of l1 A-HALS, see `core.methods`.
extern "C" __global__ void __launch_bounds__(256)
penalize(const REAL* V, const REAL* B, const double* numbers, const double* multiple, const REAL* G, integer r,
         integer m, REAL* out) {
    integer k = blockIdx.x, all = (integer)gridDim.y * blockDim.x;
    double square = numbers[k * ROW_NUMBERS + ROW_L2];
    double shape = square > 0.0 ? numbers[k * ROW_NUMBERS + ROW_SUM] / square : 0.0;
    double penalty = multiple[k] * sqrt(fmax((double)G[k * r + k], 0.0));
    for (integer j = (integer)blockIdx.y * blockDim.x + threadIdx.x; j < m; j += all) {
        integer e = k * m + j;
        out[e] = (REAL)((double)B[e] - penalty * (1.0 - shape * (double)V[e]));
    }
}

// Rows of V (r, m) as greys for the screen: ``V[order[i]]`` times its gain, cut at `most`.
extern "C" __global__ void __launch_bounds__(256)
greys(const REAL* V, const integer* order, const double* gain, integer count, integer m, double most,
      unsigned char* out) {
    integer i = blockIdx.x, all = (integer)gridDim.y * blockDim.x;
    for (integer j = (integer)blockIdx.y * blockDim.x + threadIdx.x; j < m; j += all) {
        REAL scaled = V[order[i] * m + j] * (REAL)gain[i];
        out[i * m + j] = (unsigned char)(scaled < (REAL)most ? scaled : (REAL)most);
    }
}
