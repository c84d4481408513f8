// The scalar equation of the projection, as in `backends.cpu.root`: the next multiplier, or the end of the search.

enum { SEARCHING, ROOT, COLLAPSED, UNCHANGED, NOT_FINITE, OUT_OF_RANGE, JUMP, LONG };
enum { MU, LOW, HIGH, DELTA, STEPS, STIFF, RESIDUAL, SLOPE, OLD_MU, OLD_RESIDUAL, OLD_SLOPE, CROSSING, STATE };

#define UNBOUNDED 1.7976931348623157e308
#define SLACK 5e-14
#define LAST_STEP 1e-7
#define LAST_CROSSING 5e-11
#define MET 1e-13
#define PATIENCE 14.0
// Of targets nearer to 1 than this, what is left of a vector with weights has too few digits in the sums made here.
#define NEAR_ONE (1.0 - 1e-4)

static __device__ double threshold(double gain, double mu) { return fmax(-1e300, fmin(gain * mu, 1e300)); }

static __device__ double excess(double size, double weight, double t) {
    // Never one fused operation: moments and output must agree to the last bit on what is left of an entry.
    return __dsub_rn(size, __dmul_rn(t, weight));
}

static __device__ void new_state(double* state, double mu) {
    for (int k = 0; k < STATE; k++) state[k] = 0.0;
    state[MU] = mu;
    state[LOW] = mu > 0.0 ? -1.0 : 0.0;
    state[HIGH] = UNBOUNDED;
}

static __device__ double propose(const double* state, double goal) {
    double mu = state[MU], y = state[RESIDUAL], slope = state[SLOPE];
    if (state[STEPS] > 1.0 && state[OLD_SLOPE] > 0.0 && state[OLD_RESIDUAL] != y) {
        double width = y - state[OLD_RESIDUAL], rise = mu - state[OLD_MU], u = y / width;
        double here = width / slope + rise, there = -(width / state[OLD_SLOPE] + rise);
        double guess = mu - u * rise + u * (1.0 - u) * ((1.0 - u) * here + u * there);
        if (state[LOW] < guess && guess < state[HIGH]) return guess;
    }
    double step = y / slope;
    if (mu + step >= state[HIGH] && goal > 0.0) step *= (0.5 * y + goal) / (y + goal);
    return mu + step;
}

static __device__ double halve(const double* state) {
    double low = state[LOW], high = state[HIGH];
    if (high > 1e300 && low > 0.0 && state[STEPS] < PATIENCE) return 8.0 * low;
    if (high < 1e3 * low || (state[STEPS] < PATIENCE && high < 1e300)) return 0.5 * low + 0.5 * high;
    integer a = __double_as_longlong(low), b = __double_as_longlong(high);
    return __longlong_as_double(a + (b - a) / 2);
}

static __device__ int advance(double* state, double r, double goal) {
    double mu = state[MU], missing = state[RESIDUAL], slope = state[SLOPE];
    state[STEPS] += 1.0;
    state[DELTA] = 0.0;
    if (missing > 0.0) state[LOW] = mu;
    else state[HIGH] = mu;
    if (fabs(missing) <= 2e-16 * r) return ROOT;
    double step = slope > 0.0 ? missing / slope : infinity_();
    if (state[LOW] <= mu + step && mu + step <= state[HIGH] && fabs(step) * state[STIFF] <= LAST_STEP) {
        if (fabs(step) * state[CROSSING] <= LAST_CROSSING) {
            state[DELTA] = step;
            return ROOT;
        }
        if (fabs(missing) <= MET * r) {
            state[DELTA] = fmax(0.0, step);
            return ROOT;
        }
    }
    double guess = slope > 0.0 ? propose(state, goal) : infinity_();
    state[OLD_MU] = mu;
    state[OLD_RESIDUAL] = missing;
    state[OLD_SLOPE] = slope;
    if (state[LOW] < 0.0) {
        state[MU] = 0.0 < guess && guess < state[HIGH] && state[STEPS] < PATIENCE ? guess : 0.0;
        return SEARCHING;
    }
    if (__double_as_longlong(state[HIGH]) - __double_as_longlong(state[LOW]) <= 1) return COLLAPSED;
    int may_guess = state[STEPS] < PATIENCE || fmod(state[STEPS], 2.0) == 0.0;
    int is_inside = state[LOW] < guess && guess < state[HIGH];
    state[MU] = is_inside && may_guess ? guess : halve(state);
    return SEARCHING;
}

// Whether the host finds the root instead, from sums that keep their digits.
static __device__ int needs_digits(int weighted, double s) { return weighted && NEAR_ONE < s && s < 1.0; }

// Of one vector at mu: what it adds to the residual, its slope, and how fast it changes.
struct Part {
    double missing, slope, stiff, crossing;
};

static __device__ Part part_of(const double* m, double single, double gain, double norm, double span, double s) {
    Part part = {s - single, 0.0, 0.0, 0.0};
    if (m[2] > 0.0) {
        double over_length = rsqrt(m[2]), over_span = 1.0 / span, l1 = m[1] * over_length;
        part.missing = s - (norm - l1) * over_span;
        part.slope = gain * fmax(0.0, m[0] - l1 * l1) * over_length * over_span;
        part.stiff = gain * sqrt(m[0]) * over_length;
        part.crossing = gain * norm * norm * over_length * over_span;
    }
    return part;
}

// The factor of a vector's output and its sparsity at ``mu + delta``, from the moments at mu.
static __device__ double carried(double* m, double delta, double gain, double norm, double span, double mu,
                                 double* sparsity) {
    double d = m[0] > 0.0 ? delta * gain : 0.0;
    double m2 = m[2] - 2.0 * d * m[1] + d * d * m[0], m1 = m[1] - d * m[0];
    m[1] = m1;
    m[2] = m2;
    double over_length = rsqrt(m2), l1 = m1 * over_length;
    *sparsity = (norm - l1) / span;
    return 1.0 + (threshold(gain, mu) + d) * l1 * over_length;
}
