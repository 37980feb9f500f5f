#include "arena.hpp"

#include <sys/mman.h>
#include <unistd.h>

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

std::int64_t physical_memory() {
    return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

Memory allocate_uninitialised(std::int64_t bytes) {
    // Overcommitted memory fails by a killed process, so what cannot fit is refused here.
    if (bytes < 0 || bytes > physical_memory()) {
        fail(Code::out_of_memory, "cannot allocate ", bytes, " bytes; the machine has ",
             physical_memory());
    }
    const bool large = bytes >= huge_page / 2;
    const std::int64_t alignment = large ? huge_page : cache_line;
    const std::int64_t rounded = round_up(bytes > 0 ? bytes : 1, alignment);
    void* memory =
        std::aligned_alloc(static_cast<std::size_t>(alignment), static_cast<std::size_t>(rounded));
    if (memory == nullptr) fail(Code::out_of_memory, "cannot allocate ", bytes, " bytes");
    if (large) madvise(memory, static_cast<std::size_t>(rounded), MADV_HUGEPAGE);
    return {static_cast<std::byte*>(memory), [](std::byte* block) { std::free(block); }};
}

}  // namespace

Memory allocate_bytes(std::int64_t bytes) {
    Memory memory = allocate_uninitialised(bytes);
    std::memset(memory.get(), 0, static_cast<std::size_t>(bytes));
    return memory;
}

Memory Arena::allocate(std::int64_t bytes) {
    // Large pieces fill huge pages of their own.
    if (bytes < 0 || bytes >= arena_block / 4) return allocate_uninitialised(bytes);
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
