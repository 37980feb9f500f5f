// Memory that lies on huge pages, piece after piece: what holds a model's matrices. Reading them
// then meets no small pages, however small a matrix is. A piece is not given back before its whole
// block is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

namespace sipo::cpu {

// Keeps its block alive; a block goes when the last piece of it does.
using Memory = std::shared_ptr<std::byte[]>;

// Zero-filled, 64-byte aligned; large blocks on huge pages where the system gives them.
// Throws Code::out_of_memory naming the size, also when the machine could never hold it.
[[nodiscard]] Memory allocate_bytes(std::int64_t bytes);

// What a block of so many bytes takes: whole cache lines or, if it is large, whole huge pages.
[[nodiscard]] std::int64_t block_bytes(std::int64_t bytes);

// Safe to share between threads.
class Arena {
public:
    // The most that pieces of these sizes take, whatever their order. What nobody has touched of a
    // block takes nothing.
    [[nodiscard]] static std::int64_t bytes(std::span<const std::int64_t> pieces);

    // 64-byte aligned and not initialised. Throws like allocate_bytes.
    [[nodiscard]] Memory allocate(std::int64_t bytes);

private:
    std::mutex mutex_;
    Memory block_;
    std::int64_t used_ = 0;  // of block_
};

}  // namespace sipo::cpu
