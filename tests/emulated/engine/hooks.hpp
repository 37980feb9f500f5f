// Races in shared memory, found by the order that barriers make (vector clocks of a cluster's threads
// and mbarriers), whatever order the fibers ran in. Sees the kernel's accesses when that is compiled
// with build.sh -i. Shuffles order nothing, __syncwarp does.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace emu::hooks {

using Clocks = std::vector<std::uint32_t>;
// What a thread knows: `base`, and itself up to `own`.
struct Snapshot {
    std::shared_ptr<const Clocks> base;
    int index = -1;  // of the thread in its cluster
    int cluster = -1;
    std::uint32_t own = 0;
};

void begin(int fibers, int block_threads, int cluster, unsigned char* arena, std::size_t bytes,
           std::size_t span);
void end();
// All that add() named know afterwards what each knew before.
class Set {
public:
    void add(int fiber) {
        if (on()) who_.push_back(fiber);
    }
    void join();

private:
    static bool on();
    std::vector<int> who_;
};
Snapshot take(int fiber);  // what it knows now
void makes(unsigned barrier, int block);
void arrives(int fiber, unsigned barrier);
void phase_ends(unsigned barrier);
void waited(int fiber, unsigned barrier);
void arrives_cluster(int fiber);
void cluster_ends(int block);
void waited_cluster(int fiber);
void copy_begins(int fiber, unsigned char* to, std::size_t bytes, bool remote, void* where);
void copy_ends(int fiber, unsigned char* to, std::size_t bytes, int barrier, bool remote, bool carries,
               const Snapshot& knew);
// Relaxed stores and loads of global memory, when they happen.
void stored(const void* to, std::size_t bytes, const Snapshot& knew);
void loads(int fiber, const void* from, std::size_t bytes);

}  // namespace emu::hooks
