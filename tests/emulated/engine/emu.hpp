// Engine of the emulator: every thread of every block is a fiber. See README.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

namespace emu {

struct Index3 {
    unsigned x = 0, y = 0, z = 0;
};
struct Thread {  // the part of a fiber that kernels look at
    Index3 thread, block;
};
extern Thread* now;
extern Index3 block_dim, grid_dim;

enum class Mode { round_robin, random, skew };
struct Settings {
    Mode mode = Mode::round_robin;
    std::uint64_t seed = 1;
    int multiprocessors = 132;     // cudaDevAttrMultiProcessorCount
    int shared_bytes = 232448;     // MaxSharedMemoryPerBlockOptin
    int cluster = 0;               // blocks of a cluster where the launch names none
    double delay = 3;              // a copy's longest delay, in rounds of all fibers
    bool late_stores = true;       // relaxed global stores are seen late, too
    unsigned preempt = 0;          // with build.sh -i: yields at one of so many memory accesses
    bool races = true;             // with build.sh -i: looks for races in shared memory
    bool relaxed_orders = true;  // what relaxed stores, st.async and those who see them order, too
    long long patience = 50'000'000;  // turns of polling without any store
};
extern Settings settings;

struct Result {
    long long turns = 0, copies = 0;
    int errors = 0;
};
// Runs the kernel; `body` is called once a fiber. Ends the process on a deadlock.
Result launch(unsigned blocks, unsigned threads, unsigned cluster, std::size_t shared_bytes,
              const std::function<void()>& body);
extern Result total;  // of all launches
// Ends the process with a report when so many seconds have passed, or on a bad access.
void watch(unsigned seconds);

// What follows is called by fibers.
[[noreturn]] void fatal(const char* format, ...) __attribute__((format(printf, 1, 2)));
void error(const char* format, ...) __attribute__((format(printf, 1, 2)));

unsigned char* shared_memory();
void* static_shared(std::size_t bytes, const char* file, int line);
std::uint32_t shared_address(const void* place);
unsigned char* resolve(std::uint32_t address);

void sync_block();
void sync_named(int id, int count);
void arrive_named(int id, int count);
// All lanes' values, when all have come.
const std::uint64_t* gather(unsigned mask, std::uint64_t value, int kind);
void yield();
std::uint32_t clock_now();
void progress();  // something was stored that others may poll for

void init_barrier(void* barrier, unsigned arrivals);
void arrive(void* barrier);
void expect(void* barrier, std::uint32_t bytes, bool arrives);
void wait(void* barrier, std::uint32_t parity);
bool test(void* barrier, std::uint32_t parity);

void copy_bulk(void* to, const void* from, std::uint32_t bytes, void* barrier);
void copy_async(void* to, const void* from, std::uint32_t bytes, bool present);
void commit_group();
void wait_groups(int left);  // −1: all, the uncommitted too
void arrive_when_copied(void* barrier);

int cluster_rank();
int cluster_size();
void arrive_at_cluster();
void wait_for_cluster();
std::uint32_t map_address(std::uint32_t local, int rank);
void store_remote(std::uint32_t address, const void* data, int bytes);
void send(std::uint32_t address, const void* data, int bytes, std::uint32_t barrier);

void store_late(void* to, const void* data, int bytes);
void load_polled(void* out, const void* from, int bytes);
void flush_stores();  // __threadfence

}  // namespace emu
