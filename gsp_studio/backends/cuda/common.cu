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

// Four numbers that are loaded at once.
struct alignas(16) Four {
    REAL at[4];
};

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

// Blocks that work on one thing together. They meet in global memory, which takes a cooperative launch (all must be on
// the device at once, or those that wait would wait for ever), or as a cluster, whose blocks write into each other's
// shared memory.
struct Team {
    integer rank, size;
    unsigned int* barrier; // how many have arrived, and how often all have
    double* told; // what the block that came last leaves for the others
    int is_cluster;
};

// Blocks of a cluster, of which capability 9.0 and newer have some.
#ifndef CLUSTER
#define CLUSTER 8
#if __CUDA_ARCH__ >= 900
#define IN_CLUSTER __cluster_dims__(CLUSTER, 1, 1)
static __device__ void meet_in_cluster() {
    asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
}

// The same place in the shared memory of another block of the cluster.
static __device__ double* at_block(double* own, unsigned int rank) {
    double* there;
    asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(own), "r"(rank));
    return there;
}
#else
#define IN_CLUSTER
static __device__ void meet_in_cluster() {}
static __device__ double* at_block(double* own, unsigned int rank) { return own; }
#endif
#endif

// All blocks meet. Of those in global memory the one that comes last returns 1 at once, in all of its threads, and does
// alone what is done once; the others wait for its `release`. In a cluster all return 1 and do the same, each for
// itself. `flag` is a number in shared memory.
static __device__ int arrive(const Team& team, double* flag) {
    __syncthreads();
    if (team.is_cluster) meet_in_cluster();
    if (team.is_cluster || team.size == 1) return 1;
    if (threadIdx.x == 0) {
        volatile unsigned int* round = team.barrier + 1;
        unsigned int before = *round;
        __threadfence();
        int is_last = atomicAdd(team.barrier, 1u) == (unsigned int)team.size - 1u;
        while (!is_last && *round == before) __nanosleep(20);
        __threadfence();
        *flag = (double)is_last;
    }
    __syncthreads();
    return *flag != 0.0;
}

static __device__ void release(const Team& team) {
    __syncthreads();
    if (team.is_cluster || team.size == 1 || threadIdx.x != 0) return;
    volatile unsigned int* arrived = team.barrier;
    volatile unsigned int* round = team.barrier + 1;
    unsigned int next = *round + 1u;
    *arrived = 0u;
    __threadfence();
    *round = next;
}

static __device__ void sync(const Team& team, double* flag) {
    if (arrive(team, flag)) release(team);
}
