// Chooses the table of kernels for this machine.
#include <array>
#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "kernel_table.hpp"

namespace sipo::cpu {

namespace baseline {
extern const KernelTable table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable table;
}
namespace avx512 {
extern const KernelTable table;
}
namespace avx512_bf16 {
extern const KernelTable table;
}
#endif

namespace {

struct Candidate {
    const KernelTable* table;
    bool (*supported)();
};

#if defined(__x86_64__)
bool has_avx2() {
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
           __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
           __builtin_cpu_supports("avx512vl") != 0;
}

bool has_avx512_bf16() {
    return has_avx512() && __builtin_cpu_supports("avx512bf16") != 0 &&
           __builtin_cpu_supports("avx512vnni") != 0;
}
#endif

// Best first.
constexpr std::array candidates {
#if defined(__x86_64__)
    Candidate{&avx512_bf16::table, &has_avx512_bf16}, Candidate{&avx512::table, &has_avx512},
        Candidate{&avx2::table, &has_avx2},
#endif
        Candidate{&baseline::table, [] { return true; }},
};

}  // namespace

const KernelTable& select_kernels() {
    const char* forced = secure_getenv("SIPO_CPU");
    for (const Candidate& candidate : candidates) {
        if (!candidate.supported()) continue;
        if (forced == nullptr || std::string_view(forced) == candidate.table->name) {
            return *candidate.table;
        }
    }
    fail(Code::backend_error, "SIPO_CPU=", forced,
         ": not an instruction set of this machine; unset it or take baseline");
}

}  // namespace sipo::cpu
