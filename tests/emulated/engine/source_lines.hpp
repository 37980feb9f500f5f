// Lines of the kernel's source for addresses of the program.
#pragma once
#include <string>

namespace emulator {

// Innermost function first, as addr2line says; "?" where that is not installed.
[[nodiscard]] std::string find_source_line(void* return_address);

}  // namespace emulator
