#include "matrix.hpp"

#include <sys/mman.h>

namespace {

constexpr std::size_t page = 4096, border = 256;

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes) : pages_((bytes + page - 1) / page * page + page) {
    const std::size_t usable = pages_.bytes() - page;
    std::memset(pages_.data(), 0xff, usable);
    mprotect(pages_.data() + usable, page, PROT_NONE);
    data_ = pages_.data() + (usable - bytes) / border * border;
}
