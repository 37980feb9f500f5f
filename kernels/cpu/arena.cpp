#include "arena.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace sipo::cpu {
namespace {

constexpr std::int64_t cache_line = 64;
constexpr std::int64_t huge_page = 2 << 20;
// What nobody has touched of a block takes no memory, so it may be larger than a model's pieces.
constexpr std::int64_t arena_block = 32 * huge_page;

// A larger piece fills huge pages of its own.
constexpr std::int64_t largest_piece = arena_block / 4;

bool is_large(std::int64_t bytes) { return bytes >= huge_page / 2; }

std::int64_t physical_memory() {
    return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

Memory allocate_uninitialised(std::int64_t bytes) {
    // Overcommitted memory fails by a killed process, so what cannot fit is refused here.
    if (bytes < 0 || bytes > physical_memory()) {
        fail(Code::out_of_memory, "cannot allocate ", bytes, " bytes; the machine has ",
             physical_memory());
    }
    const bool large = is_large(bytes);
    const std::int64_t alignment = large ? huge_page : cache_line;
    const std::int64_t rounded = block_bytes(bytes);
    void* memory =
        std::aligned_alloc(static_cast<std::size_t>(alignment), static_cast<std::size_t>(rounded));
    if (memory == nullptr) fail(Code::out_of_memory, "cannot allocate ", bytes, " bytes");
    if (large) madvise(memory, static_cast<std::size_t>(rounded), MADV_HUGEPAGE);
    return {static_cast<std::byte*>(memory), [](std::byte* block) { std::free(block); }};
}

}  // namespace

std::int64_t block_bytes(std::int64_t bytes) {
    return round_up(std::max(bytes, std::int64_t{1}), is_large(bytes) ? huge_page : cache_line);
}

Memory allocate_bytes(std::int64_t bytes) {
    Memory memory = allocate_uninitialised(bytes);
    std::memset(memory.get(), 0, static_cast<std::size_t>(bytes));
    return memory;
}

// Pieces fill a block in order, but for its last huge page and, where another block follows, less than
// the largest of them.
std::int64_t Arena::bytes(std::span<const std::int64_t> pieces) {
    std::int64_t alone = 0;
    std::int64_t together = 0;
    for (const std::int64_t bytes : pieces) {
        const bool large = bytes >= largest_piece;
        std::int64_t& sum = large ? alone : together;
        sum = checked_add(sum, large ? block_bytes(bytes) : round_up(bytes, cache_line));
    }
    if (together <= arena_block) return checked_add(alone, round_up(together, huge_page));
    const std::int64_t blocks = ceil_div(together, arena_block - largest_piece);
    return checked_add(alone, checked_add(together, blocks * huge_page));
}

Memory Arena::allocate(std::int64_t bytes) {
    if (bytes < 0 || bytes >= largest_piece) return allocate_uninitialised(bytes);
    const std::int64_t piece = round_up(bytes, cache_line);
    const std::lock_guard lock(mutex_);
    if (!block_ || used_ + piece > arena_block) {
        block_ = allocate_uninitialised(arena_block);
        used_ = 0;
    }
    Memory memory(block_, block_.get() + used_);
    used_ += piece;
    return memory;
}

}  // namespace sipo::cpu
