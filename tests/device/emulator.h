// CUDA C on the processor, for tests: every thread of a launch is a fibre, and barriers, shuffles and votes wait for
// each other as they do on a device. Blocks of a cooperative launch are all there at once, those of a plain one come in
// turn. A launch in which all wait and none can go on is an error here, where a device would hang.
#pragma once
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>
#include <ucontext.h>

using std::fabs;
using std::fmax;
using std::fmin;
using std::fmod;
using std::sqrt;

#define __global__
#define __device__
#define __noinline__
#define __launch_bounds__(...)
#define WARP EMULATED_WARP
#define IN_CLUSTER
#define DYNAMIC_SHARED double* dynamic_shared = emulator::now->block->shared;

struct Index { unsigned int x, y, z; };
static Index blockIdx, threadIdx, gridDim, blockDim;

namespace emulator {

struct Meeting { // where some threads wait for each other
    int expected = 0, arrived = 0;
    unsigned long round = 0;
};
struct Warp {
    Meeting meeting;
    uint64_t bits[64];
};
struct Block {
    Index index;
    Meeting meeting;
    Meeting* cluster; // of all blocks that are there at once
    std::vector<Block>* all;
    int any = 0; // votes
    std::vector<Warp> warps;
    double* shared;
};
struct Fibre {
    ucontext_t context;
    jmp_buf resume;
    Block* block;
    Index thread;
    bool started = false, ended = false;
    Meeting* waits = nullptr;
    unsigned long waits_for = 0;
};

static Fibre* now = nullptr;
static jmp_buf scheduler;
static std::function<void()>* body = nullptr;
static std::vector<char*> stacks;
static const size_t STACK = 64 * 1024;
static const size_t BEHIND = 256;
static const double UNTOUCHED = 1234.5678e99;
static bool moved = false;
static int held = -1; // a slow block: it goes on only when nobody else can

static void leave() {
    if (_setjmp(now->resume) == 0) _longjmp(scheduler, 1);
}

static void pause_() { // somebody else's turn
    leave();
}

static void meet(Meeting& meeting) {
    moved = true;
    if (++meeting.arrived == meeting.expected) {
        meeting.arrived = 0;
        meeting.round++;
        return;
    }
    now->waits = &meeting;
    now->waits_for = meeting.round + 1;
    while (meeting.round < now->waits_for) leave();
    now->waits = nullptr;
}

static void start_() {
    (*body)();
    now->ended = true;
    moved = true;
    now->block->meeting.expected--;
    now->block->cluster->expected--;
    Warp& warp = now->block->warps[now->thread.x / WARP];
    warp.meeting.expected--;
    _longjmp(scheduler, 1);
}

static Warp& warp_of() { return now->block->warps[now->thread.x / WARP]; }

// Runs `fibres` until all have ended; false where none can go on.
static bool run(std::vector<Fibre>& fibres) {
    size_t left = fibres.size();
    volatile int idle = 0;
    while (left > 0) {
        bool only_held = !moved;
        moved = false;
        for (size_t k = 0; k < fibres.size(); k++) {
            Fibre& fibre = fibres[k];
            if (fibre.ended) continue;
            if (fibre.waits && fibre.waits->round < fibre.waits_for) continue;
            if (held >= 0 && fibre.block->index.x == (unsigned)held && !only_held) continue;
            now = &fibre;
            blockIdx = fibre.block->index;
            threadIdx = fibre.thread;
            if (_setjmp(scheduler) == 0) {
                if (fibre.started) _longjmp(fibre.resume, 1);
                fibre.started = true;
                setcontext(&fibre.context);
            }
            if (fibres[k].ended) left--;
        }
        idle = moved ? 0 : idle + 1;
        if (idle > 1000) return false;
    }
    return true;
}

static int launch(Index grid, Index block, size_t shared_bytes, int cooperative, std::function<void()> kernel) {
    gridDim = grid;
    blockDim = block;
    body = &kernel;
    size_t threads = (size_t)block.x, blocks = (size_t)grid.x * grid.y * grid.z, at_once = cooperative ? blocks : 1;
    while (stacks.size() < threads * at_once) stacks.push_back((char*)malloc(STACK));
    for (size_t first = 0; first < blocks; first += at_once) {
        std::vector<Block> there(at_once);
        Meeting cluster;
        cluster.expected = (int)(threads * at_once);
        std::vector<Fibre> fibres(threads * at_once);
        std::vector<std::vector<double>> shared(at_once);
        for (size_t b = 0; b < at_once; b++) {
            size_t number = first + b;
            // Filled with NaN: what a kernel reads and never wrote is seen. What lies behind is not the kernel's.
            shared[b].assign((shared_bytes + 7) / 8, NAN);
            shared[b].resize(shared[b].size() + BEHIND, UNTOUCHED);
            there[b].index = {(unsigned)(number % grid.x), (unsigned)(number / grid.x % grid.y), (unsigned)(number / grid.x / grid.y)};
            there[b].shared = shared[b].data();
            there[b].meeting.expected = (int)threads;
            there[b].cluster = &cluster;
            there[b].all = &there;
            there[b].warps.resize((threads + WARP - 1) / WARP);
            for (size_t t = 0; t < threads; t++) {
                Fibre& fibre = fibres[b * threads + t];
                there[b].warps[t / WARP].meeting.expected++;
                fibre.block = &there[b];
                fibre.thread = {(unsigned)t, 0, 0};
                getcontext(&fibre.context);
                fibre.context.uc_stack.ss_sp = stacks[b * threads + t];
                fibre.context.uc_stack.ss_size = STACK;
                fibre.context.uc_link = nullptr;
                makecontext(&fibre.context, start_, 0);
            }
        }
        if (!run(fibres)) return 1;
        for (const std::vector<double>& own : shared)
            for (size_t k = own.size() - BEHIND; k < own.size(); k++)
                if (own[k] != UNTOUCHED) return 2;
    }
    return 0;
}
} // namespace emulator

static void __syncthreads() { emulator::meet(emulator::now->block->meeting); }
static void __threadfence() {}
static void meet_in_cluster() { emulator::meet(*emulator::now->block->cluster); }
static double* at_block(double* own, unsigned int rank) {
    emulator::Block& here = *emulator::now->block;
    return (*here.all)[rank].shared + (own - here.shared);
}
static void __nanosleep(unsigned int) { emulator::pause_(); }
static void __syncwarp() { emulator::meet(emulator::warp_of().meeting); }
static int __syncthreads_or(int vote) {
    emulator::Block& block = *emulator::now->block;
    if (vote) block.any = 1;
    __syncthreads();
    int any = block.any;
    __syncthreads();
    block.any = 0;
    __syncthreads();
    return any;
}
static double rsqrt(double x) { return 1.0 / sqrt(x); }
static double __dsub_rn(double a, double b) { return a - b; }
static double __dmul_rn(double a, double b) { return a * b; }
static int __popc(unsigned int bits) { return __builtin_popcount(bits); }
static long long __double_as_longlong(double x) { long long bits; memcpy(&bits, &x, 8); return bits; }
static double __longlong_as_double(long long bits) { double x; memcpy(&x, &bits, 8); return x; }
static unsigned int atomicAdd(unsigned int* to, unsigned int value) {
    emulator::moved = true;
    unsigned int before = *to;
    *to += value;
    return before;
}

template <class T> static T __shfl_xor_sync(unsigned int mask, T value, int distance) {
    emulator::Warp& warp = emulator::warp_of();
    int lane = (int)(threadIdx.x % WARP);
    memcpy(&warp.bits[lane], &value, sizeof(T));
    emulator::meet(warp.meeting);
    T found;
    memcpy(&found, &warp.bits[lane ^ distance], sizeof(T));
    emulator::meet(warp.meeting);
    return found;
}

template <class T> static T __shfl_sync(unsigned int mask, T value, int from) {
    emulator::Warp& warp = emulator::warp_of();
    int lane = (int)(threadIdx.x % WARP);
    memcpy(&warp.bits[lane], &value, sizeof(T));
    emulator::meet(warp.meeting);
    T found;
    memcpy(&found, &warp.bits[from], sizeof(T));
    emulator::meet(warp.meeting);
    return found;
}

static int __ffs(int bits) { return __builtin_ffs(bits); }

static unsigned int __ballot_sync(unsigned int mask, int vote) {
    emulator::Warp& warp = emulator::warp_of();
    int lane = (int)(threadIdx.x % WARP);
    warp.bits[lane] = vote ? 1 : 0;
    emulator::meet(warp.meeting);
    unsigned int votes = 0;
    for (int k = 0; k < WARP; k++) votes |= (unsigned int)(warp.bits[k] & 1) << k;
    emulator::meet(warp.meeting);
    return votes;
}
