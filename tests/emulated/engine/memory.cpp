#include "memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "machine.hpp"
#include "reports.hpp"

namespace emulator {
namespace {

constexpr unsigned rank_bits = 24;
constexpr std::uint32_t offset_mask = (1U << rank_bits) - 1;

[[nodiscard]] std::uint32_t with_rank(std::uint32_t offset, int rank) {
    return static_cast<std::uint32_t>(rank + 1) << rank_bits | offset;
}

struct Words {  // that an operation writes, of its block
    std::size_t first, end;
};
[[nodiscard]] Words words_of(const Operation& op) {
    const auto first = static_cast<std::size_t>(op.to - op.target->memory) / 4;
    return {first, first + (op.bytes + 3) / 4};
}

}  // namespace

Mapping::Mapping(std::size_t bytes) : bytes_(bytes) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<unsigned char*>(p);
}
Mapping::~Mapping() { munmap(data_, bytes_); }

void guard_target(const Operation& op, std::uint32_t id) {
    const Words words = words_of(op);
    for (std::size_t i = words.first; i < words.end; ++i) {
        const Operation* other = machine().late.active(op.target->pending[i]);
        if (other == nullptr) continue;
        error(text("two operations to byte ", i * 4, " of block ", op.target->number,
                   " are under way: ", name_of(*other), " and ", name_of(op)));
        break;
    }
    std::fill(op.target->pending.begin() + static_cast<std::ptrdiff_t>(words.first),
              op.target->pending.begin() + static_cast<std::ptrdiff_t>(words.end), id + 1);
    std::memset(op.to, 0xff, op.bytes);
    machine().races.copy_begins(op.by->number, op.to, op.bytes, op.where);
}

void check_target(const Operation& op, std::uint32_t id) {
    const auto offset = op.to - op.target->memory;
    if (op.target->live == 0) {
        error(text(name_of(op), " came to byte ", offset, " of block ", op.target->number,
                   ", which has ended"));
    }
    const auto* changed =
        std::find_if(op.to, op.to + op.bytes, [](unsigned char c) { return c != 0xff; });
    if (changed != op.to + op.bytes) {
        error(text("byte ", changed - op.target->memory, " of block ", op.target->number,
                   " was written while a ", name_of(op), " to it was under way"));
    }
    const Words words = words_of(op);
    for (std::size_t i = words.first; i < words.end; ++i) {
        if (op.target->pending[i] == id + 1) op.target->pending[i] = 0;
    }
}

Block& own_block_with(const void* place, std::size_t bytes, const char* what, void* where) {
    Block* b = machine().block_of(place);
    const auto* p = static_cast<const unsigned char*>(place);
    if (b == nullptr || b != self().in || p + bytes > b->memory + b->bytes)
        fatal(text(what, ": not in the block's shared memory (", source_of(where), ")"));
    return *b;
}

unsigned char* shared_memory() { return self().in->memory; }

void* static_shared(std::size_t bytes, const char* file, int line) {
    Block& b = *self().in;
    void*& place = b.static_places[{file, line}];
    if (place == nullptr) {
        place = b.memory + b.dynamic + b.statics;
        b.statics += (bytes + 15) / 16 * 16;
        if (b.dynamic + b.statics > b.bytes) fatal("too much static shared memory");
    }
    return place;
}

std::uint32_t shared_address(const void* place) {
    const Block& b = own_block_with(place, 0, "shared_address", __builtin_return_address(0));
    return with_rank(
        static_cast<std::uint32_t>(static_cast<const unsigned char*>(place) - b.memory), b.rank);
}

std::uint32_t address_in_block(const void* place, int rank) {
    if (rank < 0 || rank >= machine().cluster_size())
        fatal(text("no block ", rank, " in the cluster"));
    const Block& b = own_block_with(place, 0, "address_in_block", __builtin_return_address(0));
    return with_rank(
        static_cast<std::uint32_t>(static_cast<const unsigned char*>(place) - b.memory), rank);
}

unsigned char* resolve(std::uint32_t address) {
    const Block& own = *self().in;
    const int rank = static_cast<int>(address >> rank_bits) - 1;
    const std::uint32_t offset = address & offset_mask;
    if (rank < 0 || rank >= machine().cluster_size() || offset >= own.bytes)
        fatal(text("no address of shared memory: ", address, " (",
                   source_of(__builtin_return_address(0)), ")"));
    return machine().blocks[static_cast<std::size_t>(own.number - own.rank + rank)].memory + offset;
}

}  // namespace emulator
