// What all kernels share: types, sums over a warp, barriers.
//
// The sources of this folder are one CUDA C program, joined in the order of `driver.SOURCES` and compiled once for
// REAL = float and once for REAL = double, without any header. All counts are 64 bits wide and all scalars doubles, as
// CuPy passes Python's numbers. All shared memory is dynamic. Sums have an order that depends on the sizes of the data
// alone, so a run repeats to the last bit: no atomic operation adds numbers.

#ifndef REAL
#define REAL float
#endif
#ifndef WARP
#define WARP 32
#endif
#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED extern __shared__ double dynamic_shared[];
#endif

#define EVERY_LANE (0xffffffffu >> (32 - WARP))

typedef long long integer;

static __device__ double infinity_() { return __longlong_as_double(0x7ff0000000000000LL); }

static __device__ double largest_real() { return sizeof(REAL) == 4 ? 3.4028234663852886e38 : 1.7976931348623157e308; }

static __device__ int lane_of() { return (int)(threadIdx.x % WARP); }

static __device__ double warp_sum(double x) {
    for (int d = WARP / 2; d > 0; d /= 2) x += __shfl_xor_sync(EVERY_LANE, x, d);
    return x;
}

static __device__ double warp_max(double x) {
    for (int d = WARP / 2; d > 0; d /= 2) x = fmax(x, __shfl_xor_sync(EVERY_LANE, x, d));
    return x;
}

// The sum over a block, the same in all of its threads; `scratch` holds a number for each warp.
static __device__ double block_sum(double x, double* scratch) {
    int warps = (int)(blockDim.x / WARP);
    x = warp_sum(x);
    __syncthreads();
    if (lane_of() == 0) scratch[threadIdx.x / WARP] = x;
    __syncthreads();
    double total = 0.0;
    for (int k = 0; k < warps; k++) total += scratch[k];
    return total;
}

static __device__ double block_max(double x, double* scratch) {
    int warps = (int)(blockDim.x / WARP);
    x = warp_max(x);
    __syncthreads();
    if (lane_of() == 0) scratch[threadIdx.x / WARP] = x;
    __syncthreads();
    double top = scratch[0];
    for (int k = 1; k < warps; k++) top = fmax(top, scratch[k]);
    return top;
}

// Blocks that work on one thing together. More than one of them takes a cooperative launch: all must be on the device
// at once, or those that wait would wait for ever.
struct Team {
    integer rank, size;
    unsigned int* barrier; // how many have arrived, and how often all have
};

static __device__ void sync(const Team& team) {
    __syncthreads();
    if (team.size == 1) return;
    if (threadIdx.x == 0) {
        volatile unsigned int* arrived = team.barrier;
        volatile unsigned int* round = team.barrier + 1;
        unsigned int before = *round;
        __threadfence();
        if (atomicAdd(team.barrier, 1u) == (unsigned int)team.size - 1u) {
            *arrived = 0u;
            __threadfence();
            *round = before + 1u;
        } else {
            while (*round == before) __nanosleep(20);
        }
        __threadfence();
    }
    __syncthreads();
}
