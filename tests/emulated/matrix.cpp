#include "matrix.hpp"

#include <sys/mman.h>

#include <new>

namespace {

constexpr std::size_t page = 4096, border = 256;

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes) : mapped_((bytes + page - 1) / page * page + page) {
    void* p = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<unsigned char*>(p);
    const std::size_t usable = mapped_ - page;
    std::memset(base_, 0xff, usable);
    mprotect(base_ + usable, page, PROT_NONE);
    data_ = base_ + (usable - bytes) / border * border;
}

GuardedMemory::~GuardedMemory() { munmap(base_, mapped_); }
