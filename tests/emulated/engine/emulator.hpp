// The emulator as kernels see it through the headers of shim/, and as whoever launches them does.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string_view>

namespace emulator {

struct Index3 {
    unsigned x = 0, y = 0, z = 0;
};
struct Thread {  // the part of a fiber that kernels look at
    Index3 thread, block;
};

// Which of the threads that could run goes on. Skewed: blocks and warps sleep for a while, so that others run
// far ahead of them.
enum class Order { round_robin, random, skewed };

struct Settings {
    Order order = Order::round_robin;
    std::uint64_t seed = 1;
    int multiprocessors = 132;
    int shared_bytes = 232448;  // of a block
    // What needs a kernel that was compiled with its accesses to memory instrumented:
    bool races = true;  // looks for races in shared memory
    unsigned preempt =
        0;  // other threads run after one of so many accesses to shared memory; 0: never
    // What makes the kernel wrong, by a name that translate.pl knows; empty: nothing.
    std::string_view fault;
};

struct Totals {  // of all launches
    long long turns = 0, late = 0;
    int errors = 0;
};

// CUDA tells a kernel by names like threadIdx where it is, and calls of its functions say nothing of it either:
// this is the one thing that is global.
struct Machine;
struct Current {
    const Thread* thread = nullptr;  // that runs
    Index3 block_dim, grid_dim;
    Machine* machine = nullptr;  // null: no kernel runs
    bool instrumented = false;   // the kernel is
    Settings settings;
    Totals totals;
};
extern constinit Current current;

[[nodiscard]] inline bool faulty(std::string_view name) { return current.settings.fault == name; }

// The kernel cannot go on: why was printed.
struct Stuck : std::runtime_error {
    using std::runtime_error::runtime_error;
};
// Runs a kernel to its end; `body` is called once a thread.
void launch(Index3 grid, unsigned threads, unsigned cluster, std::size_t shared_bytes,
            const std::function<void()>& body);
// Ends the process with a report when so many seconds have passed, or on a bad access.
void watch(unsigned seconds);

// What follows is called by a kernel's threads.

[[nodiscard]] unsigned char* shared_memory();  // what the launch asked for
[[nodiscard]] void* static_shared(std::size_t bytes, const char* file, int line);
// As PTX has them, 32 bits: an offset, and above it which block of the cluster.
[[nodiscard]] std::uint32_t shared_address(const void* place);
[[nodiscard]] std::uint32_t address_in_block(const void* place, int rank);
[[nodiscard]] unsigned char* resolve(std::uint32_t address);

void sync_block();
void sync_named(int id, int count);
void arrive_named(int id, int count);
// What lanes of a warp do together; `kind` tells apart what they must not mix. All lanes' values, when all have
// come.
inline constexpr int sync_of_warp = 0;
const std::uint64_t* gather(unsigned mask, std::uint64_t value, int kind);
void yield();
void progress();  // something was stored that others may poll for

[[nodiscard]] int cluster_rank();
void arrive_at_cluster();
void wait_for_cluster();

void init_barrier(void* barrier, unsigned arrivals);
void arrive(void* barrier);
void arrive_remote(std::uint32_t barrier);
void expect(void* barrier, std::uint32_t bytes);  // arrives, too
void wait(void* barrier, std::uint32_t parity);

void copy_bulk(void* to, const void* from, std::uint32_t bytes, void* barrier);
// To a block of the cluster, whose barrier counts the bytes.
void copy_tile(std::uint32_t address, const void* tile, std::uint32_t bytes, std::uint32_t barrier);
void copy_async(void* to, const void* from, std::uint32_t bytes, bool present);
void commit_group();
void wait_groups(int left);
void arrive_when_copied(void* barrier);
void send(std::uint32_t address, const void* data, std::uint32_t bytes, std::uint32_t barrier);
void ask_product(std::function<void()> product);
void end_products();  // those asked for are a group
void wait_products(std::size_t left);
// Relaxed, in global memory.
void store_late(void* to, const void* data, std::uint32_t bytes);
void load_polled(void* out, const void* from, std::uint32_t bytes);
void flush_stores();  // __threadfence

}  // namespace emulator
