// Counts every allocation of a program, as the system's allocator rounds it up. For one source file of a
// program, which is not to be built with a sanitizer: that has an allocator of its own.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace sipo::writers {

inline std::atomic<std::int64_t> live_bytes{0};
inline std::atomic<std::int64_t> peak_bytes{0};

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

// Blocks on huge pages that are alive.
struct HugeBlocks {
    struct Block {
        const std::byte* data = nullptr;
        std::size_t bytes = 0;
    };
    std::mutex mutex;
    std::array<Block, 1024> blocks;
};
inline HugeBlocks huge_blocks;

// Lies before every block.
struct BlockHead {
    void* base;
    std::size_t bytes;  // asked for
    std::size_t taken;
    std::size_t alignment;
};
static_assert(sizeof(BlockHead) == 32);

inline BlockHead* head_of(void* data) { return static_cast<BlockHead*>(data) - 1; }

inline void note_huge(const void* old_data, const void* new_data, std::size_t bytes) {
    const std::lock_guard lock(huge_blocks.mutex);
    for (HugeBlocks::Block& block : huge_blocks.blocks) {
        if (block.data != old_data) continue;
        block = {static_cast<const std::byte*>(new_data), bytes};
        return;
    }
    __builtin_trap();  // more blocks than there is room for
}

inline void count_taken(std::size_t bytes) {
    const std::int64_t live = live_bytes += static_cast<std::int64_t>(bytes);
    std::int64_t peak = peak_bytes;
    while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
    }
}

// A block's head and, where it is small, the allocator's own bytes beside it.
inline std::size_t taken_by(std::size_t bytes, std::size_t alignment) {
    if (alignment >= huge_page) return bytes;
    return std::max((bytes + 8 + 15) / 16 * 16, std::size_t{32});
}

// Whether the system has given memory to one of these pages.
inline bool is_touched(const std::byte* data, std::size_t bytes) {
    constexpr std::size_t page = 4096;
    std::array<unsigned char, huge_page / page> present{};
    if (mincore(const_cast<std::byte*>(data), bytes, present.data()) != 0) __builtin_trap();
    return std::any_of(present.begin(), present.end(),
                       [](unsigned char flags) { return flags & 1; });
}

// What is alive; of blocks on huge pages only those pages that somebody has written to.
inline std::int64_t touched_bytes() {
    const std::lock_guard lock(huge_blocks.mutex);
    std::int64_t bytes = live_bytes;
    for (const HugeBlocks::Block& block : huge_blocks.blocks) {
        for (std::size_t first = 0; first < block.bytes; first += huge_page) {
            const std::size_t size = std::min(huge_page, block.bytes - first);
            if (!is_touched(block.data + first, size)) bytes -= static_cast<std::int64_t>(size);
        }
    }
    return bytes;
}

// The most that was alive at once while fn() ran, above what was before.
template <typename Fn>
std::int64_t taken_by(const Fn& fn) {
    const std::int64_t before = live_bytes;
    peak_bytes = before;
    fn();
    return peak_bytes - before;
}

}  // namespace sipo::writers

extern "C" {

void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* base);

#define SIPO_COUNTED __attribute__((visibility("default")))

SIPO_COUNTED void* memalign(std::size_t asked, std::size_t bytes) {
    using namespace sipo::writers;
    const std::size_t alignment = std::max(asked, sizeof(BlockHead));
    if (bytes > SIZE_MAX / 2) return nullptr;
    void* base = __libc_memalign(alignment, bytes + alignment);
    if (base == nullptr) return nullptr;
    void* data = static_cast<std::byte*>(base) + alignment;
    const std::size_t taken = taken_by(bytes, alignment);
    *head_of(data) = {base, bytes, taken, alignment};
    if (alignment >= huge_page) note_huge(nullptr, data, bytes);
    count_taken(taken);
    return data;
}

SIPO_COUNTED void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    return memalign(alignment, bytes);
}

SIPO_COUNTED int posix_memalign(void** data, std::size_t alignment, std::size_t bytes) {
    *data = memalign(alignment, bytes);
    return *data == nullptr ? ENOMEM : 0;
}

SIPO_COUNTED void* malloc(std::size_t bytes) { return memalign(0, bytes); }

SIPO_COUNTED void free(void* data) {
    using namespace sipo::writers;
    if (data == nullptr) return;
    const BlockHead head = *head_of(data);
    if (head.alignment >= huge_page) note_huge(data, nullptr, 0);
    live_bytes -= static_cast<std::int64_t>(head.taken);
    __libc_free(head.base);
}

SIPO_COUNTED void* calloc(std::size_t count, std::size_t size) {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
    void* data = malloc(bytes);
    if (data != nullptr) std::memset(data, 0, bytes);
    return data;
}

SIPO_COUNTED void* realloc(void* data, std::size_t bytes) {
    void* moved = malloc(bytes);
    if (moved == nullptr || data == nullptr) return moved;
    std::memcpy(moved, data, std::min(bytes, sipo::writers::head_of(data)->bytes));
    free(data);
    return moved;
}

#undef SIPO_COUNTED

}  // extern "C"
