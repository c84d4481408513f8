// The sorted path, as in `backends.cpu.path`: with each vector sorted once, an evaluation costs O(r log n).

#define LEAF 32
#define TRUSTED 1e5

struct Sorted {
    const REAL *values, *weights; // descending by |c| / w; weights only for weighted 1
    integer weighted;
    const integer *offsets, *nodes; // the tree of vector i: nodes[i] to nodes[i + 1]
    const double *total, *mean, *spread;
};

static __device__ double sorted_weight(const Sorted& p, integer j) {
    return p.weighted ? (double)p.weights[j] : 1.0;
}

// The trees of moments: a block for each vector, level by level.
extern "C" __global__ void __launch_bounds__(256)
plant(const REAL* values, const REAL* weights, integer weighted, const integer* offsets, const integer* nodes,
      double* total, double* mean, double* spread) {
    integer i = blockIdx.x, a = offsets[i], count = (offsets[i + 1] - a) / LEAF, below = nodes[i];
    for (integer k = threadIdx.x; k < count; k += blockDim.x) {
        double s = 0.0, q = 0.0, d = 0.0;
        for (integer j = a + k * LEAF; j < a + (k + 1) * LEAF; j++) {
            double w = weighted ? (double)weights[j] : 1.0;
            s += w * w;
            q += w * (double)values[j];
        }
        q = s > 0.0 ? q / s : 0.0;
        for (integer j = a + k * LEAF; j < a + (k + 1) * LEAF; j++) {
            double w = weighted ? (double)weights[j] : 1.0, away = (double)values[j] - q * w;
            d += away * away;
        }
        total[below + k] = s;
        mean[below + k] = q;
        spread[below + k] = d;
    }
    while (count > 1) {
        __syncthreads();
        for (integer k = threadIdx.x; k < count / 2; k += blockDim.x) {
            integer x = below + 2 * k, y = x + 1, p = below + count + k;
            double s = total[x] + total[y], q = 0.0, d = spread[x] + spread[y];
            if (s > 0.0) {
                double share = total[y] / s, apart = mean[y] - mean[x];
                q = mean[x] + share * apart;
                d += total[x] * share * apart * apart;
            }
            total[p] = s;
            mean[p] = q;
            spread[p] = d;
        }
        below += count;
        count /= 2;
    }
}

static __device__ void prefix_moments(const Sorted& p, integer i, double t, double* m) {
    integer a = p.offsets[i], low = a, high = p.offsets[i + 1];
    while (low < high) {
        integer middle = (low + high) / 2;
        if ((double)p.values[middle] - t * sorted_weight(p, middle) > 0.0) low = middle + 1;
        else high = middle;
    }
    integer whole = (low - a) / LEAF, below = p.nodes[i], count = (p.offsets[i + 1] - a) / LEAF;
    m[0] = m[1] = m[2] = 0.0;
    for (integer left = whole; left > 0; left >>= 1) {
        if (left & 1) { // an odd number of blocks on this level: the last of them is not part of a larger one
            integer node = below + left - 1;
            double above = p.mean[node] - t;
            m[0] += p.total[node];
            m[1] += p.total[node] * above;
            m[2] += p.total[node] * above * above + p.spread[node];
        }
        below += count;
        count /= 2;
    }
    for (integer j = a + whole * LEAF; j < low; j++) {
        double w = sorted_weight(p, j), z = (double)p.values[j] - t * w;
        m[0] += w * w;
        m[1] += w * z;
        m[2] += z * z;
    }
}

static __device__ double heaviest_single(const Sorted& p, integer i, double t) {
    double best = 1.0, top = -infinity_();
    for (integer j = p.offsets[i]; j < p.offsets[i + 1] && p.weighted; j++) {
        double w = (double)p.weights[j], z = (double)p.values[j] - t * w;
        if (z > top || (z == top && w < best)) {
            best = w;
            top = z;
        }
    }
    return best;
}

// The multiplier, and for each vector threshold, its tail, factor (negative: a single entry is left) and sparsity.
extern "C" __global__ void __launch_bounds__(256)
path_search(const REAL* values, const REAL* weights, integer weighted, const integer* offsets, const integer* nodes,
            const double* total, const double* mean, const double* spread, const double* gain, const double* norm,
            const double* span, integer r, double s, double bound, double* out, double* result) {
    DYNAMIC_SHARED
    double *state = dynamic_shared, *scratch = state + STATE, *outcome = scratch + blockDim.x / WARP, m[3];
    Sorted p = {values, weights, weighted, offsets, nodes, total, mean, spread};
    double goal = 0.0;
    for (integer i = threadIdx.x; i < r; i += blockDim.x) goal += norm[i] / span[i];
    goal = block_sum(goal, scratch) - (double)r * s;
    if (threadIdx.x == 0) {
        new_state(state, 0.0);
        state[HIGH] = bound;
    }
    int found = SEARCHING;
    while (found == SEARCHING) {
        __syncthreads();
        double mu = state[MU], missing = 0.0, slope = 0.0, stiff = 0.0, crossing = 0.0;
        for (integer i = threadIdx.x; i < r; i += blockDim.x) {
            double t = threshold(gain[i], mu), single = 1.0;
            prefix_moments(p, i, t, m);
            if (weighted && m[2] <= 0.0) single = (norm[i] - heaviest_single(p, i, t)) / span[i];
            Part part = part_of(m, single, gain[i], norm[i], span[i], s);
            missing += part.missing;
            slope += part.slope;
            stiff = fmax(stiff, part.stiff);
            crossing = fmax(crossing, part.crossing);
        }
        missing = block_sum(missing, scratch);
        slope = block_sum(slope, scratch);
        stiff = block_max(stiff, scratch);
        crossing = block_max(crossing, scratch);
        if (threadIdx.x == 0) {
            state[RESIDUAL] = missing;
            state[SLOPE] = slope;
            state[STIFF] = stiff;
            state[CROSSING] = crossing;
            int is_unchanged = mu == 0.0 && missing <= SLACK * (double)r;
            *outcome = is_unchanged ? (double)UNCHANGED : (double)advance(state, (double)r, goal);
        }
        __syncthreads();
        found = (int)*outcome;
    }
    double mu = state[MU], longest = 0.0;
    for (integer i = threadIdx.x; i < r; i += blockDim.x) {
        double *row = out + 4 * i, t = threshold(gain[i], mu), sparsity = 1.0, factor = -1.0;
        prefix_moments(p, i, t, m);
        if (m[2] > 0.0) {
            factor = carried(m, state[DELTA], gain[i], norm[i], span[i], mu, &sparsity);
            longest = fmax(longest, factor * sqrt(fmax(m[2], 0.0)));
        } else if (weighted) {
            sparsity = (norm[i] - heaviest_single(p, i, t)) / span[i];
        }
        row[0] = t;
        row[1] = threshold(gain[i], state[DELTA]);
        row[2] = factor;
        row[3] = sparsity;
    }
    longest = block_max(longest, scratch);
    if (threadIdx.x == 0) {
        // Near ties ask for more digits than the tree has.
        if (found == ROOT && (state[STIFF] * mu > TRUSTED || needs_digits(weighted != 0, s))) found = COLLAPSED;
        if (found == ROOT && longest > largest_real()) found = LONG;
        result[0] = mu + state[DELTA];
        result[1] = state[STEPS];
        result[2] = (double)found;
    }
}

// The projected vectors from what `path_search` has found: a block's x is its vector.
extern "C" __global__ void __launch_bounds__(256)
path_write(const REAL* c, const REAL* w, integer w_kind, const integer* offsets, const double* found,
           const double* result, REAL* out) {
    integer i = blockIdx.x, a = offsets[i], all = (integer)gridDim.y * blockDim.x;
    const double* row = found + 4 * i;
    double t = row[0], fine = row[1], factor = row[2];
    int is_kept = result[2] != (double)ROOT;
    for (integer j = a + (integer)blockIdx.y * blockDim.x + threadIdx.x; j < offsets[i + 1]; j += all) {
        double value = (double)c[j], weight = w_kind == 0 ? 1.0 : (double)w[w_kind == 1 ? j - a : j];
        double left = excess(excess(fabs(value), weight, t), weight, fine);
        left = left > 0.0 ? left * factor : 0.0;
        out[j] = is_kept ? c[j] : factor < 0.0 ? (REAL)0 : (REAL)(value < 0.0 ? -left : left);
    }
}

// For vectors with a single entry left: which it is. A warp a vector.
extern "C" __global__ void __launch_bounds__(256)
path_singles(const REAL* c, const REAL* w, integer w_kind, const integer* offsets, const double* found,
             const double* result, integer r, REAL* out) {
    if (result[2] != (double)ROOT) return;
    Group g = {c, w, w_kind, 0, 0, 0, 0, offsets, 0, 0, 0, out, 0, 0, 0, 0, 0, r, 0.0};
    integer warps = (integer)gridDim.x * (blockDim.x / WARP);
    for (integer i = ((integer)blockIdx.x * blockDim.x + threadIdx.x) / WARP; i < r; i += warps) {
        if (found[4 * i + 2] >= 0.0) continue;
        integer j = best_between(g, i, offsets[i], offsets[i + 1], found[4 * i], found[4 * i + 1]).index;
        if (lane_of() == 0) out[j] = c[j];
    }
}
