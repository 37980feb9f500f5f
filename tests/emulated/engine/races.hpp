// Races in shared memory, found by the order that barriers make, whatever order the fibers ran in. Sees the
// kernel's accesses when that was compiled with them instrumented. Shuffles order nothing, __syncwarp does; a
// relaxed store and st.async order what their thread did before for those who see them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "clocks.hpp"

namespace emulator {

struct Fiber;

class Races {
public:
    Races(unsigned blocks, unsigned threads, unsigned cluster, unsigned char* memory,
          std::size_t span);

    // All know afterwards what each knew before. Null: nobody.
    void meet(std::span<Fiber* const> fibers);
    [[nodiscard]] Snapshot take(int fiber);  // what it knows now
    void makes(std::uint32_t barrier, int block);
    void arrives(int fiber, std::uint32_t barrier);
    void carries(std::uint32_t barrier, const Snapshot& knew);  // st.async to it
    void phase_ends(std::uint32_t barrier);
    void waited(int fiber, std::uint32_t barrier);
    void arrives_cluster(int fiber);
    void cluster_ends(int cluster);
    void waited_cluster(int fiber);
    void copy_begins(int fiber, const unsigned char* to, std::size_t bytes, void* where);
    // `barrier` −1: none counts its bytes.
    void copy_ends(int fiber, const unsigned char* to, std::size_t bytes, int barrier);
    // Relaxed stores to global memory and loads from there, when they happen.
    void stored(const void* to, std::size_t bytes, const Snapshot& knew);
    void loads(int fiber, const void* from, std::size_t bytes);
    // Of shared memory, by the kernel's code.
    void access(int fiber, const unsigned char* place, std::size_t bytes, bool writes, void* where);

private:
    static constexpr std::uint16_t nobody = 0xffff, under_way = 0xfffe;
    static constexpr std::size_t granule_bytes = 2;
    struct Reader {
        std::uint16_t who = nobody;
        std::uint32_t clock = 0;
        void* where = nullptr;
    };
    struct Granule {
        Reader writer, reader;
        std::uint32_t more = 0;  // readers: their list, + 1
    };
    struct Deed {  // that is looked at
        int fiber;
        const unsigned char* place;
        void* where;
    };

    [[nodiscard]] Granule* granule_at(const unsigned char* place);
    [[nodiscard]] std::size_t block_of(const unsigned char* place) const {
        return static_cast<std::size_t>(place - memory_) / span_;
    }
    [[nodiscard]] Snapshot& of(int fiber) { return known_[static_cast<std::size_t>(fiber)]; }
    // fn(granule, its place)
    template <typename Function>
    void for_granules(const unsigned char* place, std::size_t bytes, const Function& function);
    void check_writer(const Granule& g, const Deed& deed, const char* plain, const char* copy);
    void check_readers(const Granule& g, const Deed& deed, const char* what);
    void note_reader(Granule& g, const Reader& reader);
    void note_writer(Granule& g, const Reader& writer);
    void report(const char* what, const Deed& deed, const Reader& other);
    [[nodiscard]] std::string name_of(int index, int cluster) const;

    bool on_;
    unsigned char* memory_;
    std::size_t span_;
    int threads_;     // of a block
    int in_cluster_;  // threads
    int most_barriers_;
    std::vector<Snapshot> known_;                 // by fiber
    std::vector<std::vector<Granule>> granules_;  // by block
    std::vector<Meeting> barriers_, clusters_;
    std::vector<int> barriers_made_;  // by cluster
    std::vector<std::vector<Reader>> lists_;
    std::unordered_map<std::uintptr_t, Snapshot> words_;  // who stored them, of global memory
    std::set<std::pair<void*, void*>> told_;
};

}  // namespace emulator
