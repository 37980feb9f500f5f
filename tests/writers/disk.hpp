// A disk that hangs, and a process that is stopped or killed just before it renames a file: the two
// calls of the system that every replaced file goes through are caught here. For one source file of a
// program.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace sipo::writers {

// Of the next rename; 0: none.
inline std::atomic<int> signal_at_rename{0};
inline std::atomic<bool> disk_hangs{false};

// While it lives no file gets its name.
class HungDisk {
public:
    HungDisk() { disk_hangs = true; }
    ~HungDisk() { release(); }
    HungDisk(const HungDisk&) = delete;
    HungDisk& operator=(const HungDisk&) = delete;
    void release() {
        disk_hangs = false;
        disk_hangs.notify_all();
    }
};

}  // namespace sipo::writers

extern "C" {

__attribute__((visibility("default"))) int fchmod(int file, mode_t mode) noexcept {
    sipo::writers::disk_hangs.wait(true);
    return static_cast<int>(syscall(SYS_fchmod, file, mode));
}

__attribute__((visibility("default"))) int rename(const char* from, const char* to) noexcept {
    if (const int number = sipo::writers::signal_at_rename.exchange(0); number != 0) raise(number);
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

}  // extern "C"
