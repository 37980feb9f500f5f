// The memory of blocks: where it is, and the guard over places that something late will be written to.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

struct Block;
struct Operation;

// Pages of their own.
class Mapping {
public:
    explicit Mapping(std::size_t bytes);
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();
    [[nodiscard]] unsigned char* data() const { return data_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] bool contains(const void* place) const {
        return reinterpret_cast<std::uintptr_t>(place) - reinterpret_cast<std::uintptr_t>(data_) <
               bytes_;
    }

private:
    std::size_t bytes_;
    unsigned char* data_;
};

// Until an operation ends its target holds 0xff, which is NaN, and nobody may write there.
void guard_target(const Operation& operation, std::uint32_t id);
void check_target(const Operation& operation, std::uint32_t id);
// The block of this thread, if all of that lies in its shared memory; else the kernel cannot go on.
[[nodiscard]] Block& own_block_with(const void* place, std::size_t bytes, const char* what,
                                    void* where);

}  // namespace emulator
