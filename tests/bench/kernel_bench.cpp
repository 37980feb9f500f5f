// Benchmarks of the CPU kernels on real shapes, one thread, with the share of this machine's limit.
// The limits are measured first, in the same run: the rate of multiply-adds of a loop that does
// nothing else, and the rate at which memory can be read.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "base/cpu_count.hpp"
#include "base/thread_pool.hpp"
#include "cpu_buffer.hpp"
#include "kernel_table.hpp"

namespace sipo::cpu {
namespace {

constexpr std::int64_t tokens = 512;

struct Limits {
    double multiply_adds = 0.0;   // float32, a second
    double read_bytes = 0.0;      // a second, one thread
    double read_bytes_all = 0.0;  // a second, all threads
};

// Time of this thread alone: what else the machine does must not count.
double thread_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename Fn>
double best_seconds(const Fn& fn) {
    double best = 1e9;
    for (int i = 0; i < 7; ++i) {
        const double start = thread_seconds();
        fn();
        best = std::min(best, thread_seconds() - start);
    }
    return best;
}

class Floats {
public:
    explicit Floats(std::int64_t count, float value = 0.1F)
        : memory_(allocate_bytes(count * std::int64_t{sizeof(float)})) {
        std::fill_n(get(), count, value);
    }
    [[nodiscard]] float* get() const { return reinterpret_cast<float*>(memory_.get()); }

private:
    Memory memory_;
};

// The product of a matrix that stays in the first-level cache: nothing but multiply-adds.
double measure_multiply_adds(const KernelTable& kernels) {
    const std::int64_t n = kernels.panel_f32;
    const std::int64_t k = 192;
    const std::int64_t m = 14 * 6;
    const Floats x(m * k);
    const Floats w(n * k);
    const Floats out(m * n);
    const MatmulArgs<float> args{x.get(), k, m, w.get(), n, k, 0, 1, out.get(), n};
    constexpr int repeats = 2000;
    const double seconds = best_seconds([&] {
        for (int i = 0; i < repeats; ++i) kernels.matmul_f32(args);
    });
    return static_cast<double>(m * n * k) * repeats / seconds;
}

double wall_seconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// One row times a matrix far larger than the caches, shared by `threads` threads.
double measure_read(const KernelTable& kernels, int threads) {
    const std::int64_t n = 64 * kernels.panel_f32;
    const std::int64_t k = (std::int64_t{256} << 20) / 4 / n;
    const Floats x(k);
    const Floats w(n * k);
    const Floats out(n);
    const MatmulArgs<float> args{x.get(),   k, 1, w.get(), n, k, 0, n / kernels.panel_f32,
                                 out.get(), n};
    ThreadPool pool(threads);
    double best = 1e9;
    for (int repeat = 0; repeat < 7; ++repeat) {
        const double start = wall_seconds();
        pool.run(16, [&](std::size_t task) {
            MatmulArgs<float> part = args;
            part.first_panel = static_cast<std::int64_t>(task) * 4;
            part.last_panel = part.first_panel + 4;
            kernels.matmul_f32(part);
        });
        best = std::min(best, wall_seconds() - start);
    }
    return static_cast<double>(n * k) * sizeof(float) / best;
}

struct Bench {
    const KernelTable& kernels = select_kernels();
    Limits limits{measure_multiply_adds(kernels), measure_read(kernels, 1),
                  measure_read(kernels, usable_cpus())};
};

// Runs the kernel as often as the benchmark asks and tells the seconds of one call.
template <typename Fn>
double time_calls(benchmark::State& state, const Fn& fn) {
    const double start = thread_seconds();
    for (auto _ : state) fn();
    return (thread_seconds() - start) / static_cast<double>(state.iterations());
}

// The rate as a share of a limit, in per cent.
void share(benchmark::State& state, double rate, double limit) {
    state.counters["%limit"] = 100.0 * rate / limit;
}

void matmul_f32(benchmark::State& state, const Bench& bench) {
    const std::int64_t m = state.range(0);
    const std::int64_t n = 3072;
    const std::int64_t k = 768;
    const Floats x(m * k);
    const Floats w(n * k);
    const Floats out(m * n);
    const MatmulArgs<float> args{x.get(),   k, m, w.get(), n, k, 0, n / bench.kernels.panel_f32,
                                 out.get(), n};
    const double seconds = time_calls(state, [&] { bench.kernels.matmul_f32(args); });
    const double rate = static_cast<double>(m * n * k) / seconds;
    state.counters["FLOP/s"] = 2.0 * rate;
    state.counters["B/s"] = static_cast<double>(n * k) * 4.0 / seconds;
    share(state, rate, bench.limits.multiply_adds);
}

void matmul_bf16(benchmark::State& state, const Bench& bench) {
    const std::int64_t m = state.range(0);
    const std::int64_t n = 3072;
    const std::int64_t k = 768;
    const Floats x(m * k / 2);
    const Floats w(n * k / 2);
    const Floats out(m * n);
    const MatmulArgs<std::uint16_t> args{reinterpret_cast<std::uint16_t*>(x.get()),
                                         k,
                                         m,
                                         reinterpret_cast<std::uint16_t*>(w.get()),
                                         n,
                                         k,
                                         0,
                                         n / bench.kernels.panel_bf16,
                                         out.get(),
                                         n};
    const double seconds = time_calls(state, [&] { bench.kernels.matmul_bf16(args); });
    const double rate = static_cast<double>(m * n * k) / seconds;
    state.counters["FLOP/s"] = 2.0 * rate;
    state.counters["B/s"] = static_cast<double>(n * k) * 2.0 / seconds;
    // A bf16 product instruction does twice the multiply-adds of a float32 one.
    share(state, rate, 2.0 * bench.limits.multiply_adds);
}

struct ScanData {
    ScanData(std::int64_t d_inner, std::int64_t channels, std::int64_t groups_states,
             std::int64_t states)
        : x(tokens * d_inner),
          delta(tokens * channels, 0.01F),
          z(tokens * d_inner),
          b_c(tokens * 2 * groups_states),
          a(states, -1.0F),
          d(d_inner),
          state(states),
          y(tokens * d_inner),
          threshold(channels, 0.005F),
          scale(channels, 1.0F) {
        args.x = x.get();
        args.delta = delta.get();
        args.z = z.get();
        args.b = b_c.get();
        args.c = b_c.get() + groups_states;
        args.x_stride = args.z_stride = args.y_stride = d_inner;
        args.delta_stride = channels;
        args.b_stride = args.c_stride = 2 * groups_states;
        args.tokens = tokens;
        args.a = a.get();
        args.d = d.get();
        args.d_inner = d_inner;
        args.state = state.get();
        args.y = y.get();
    }
    Floats x, delta, z, b_c, a, d, state, y, threshold, scale;
    ScanArgs args{};
};

void selective_scan(benchmark::State& state, const Bench& bench, bool filtered) {
    constexpr std::int64_t d_inner = 1536;
    constexpr std::int64_t d_state = 16;
    ScanData data(d_inner, d_inner, d_state, d_inner * d_state);
    data.args.d_state = d_state;
    if (filtered) {
        data.args.threshold = data.threshold.get();
        data.args.scale = data.scale.get();
    }
    const double seconds =
        time_calls(state, [&] { bench.kernels.selective_scan(data.args, 0, d_inner); });
    state.counters["elem/s"] = static_cast<double>(tokens * d_inner * d_state) / seconds;
}

void head_scan(benchmark::State& state, const Bench& bench) {
    constexpr std::int64_t heads = 24;
    constexpr std::int64_t head_dim = 64;
    constexpr std::int64_t d_state = 128;
    ScanData data(heads * head_dim, heads, d_state, heads * head_dim * d_state);
    data.args.d_state = d_state;
    data.args.head_dim = head_dim;
    data.args.heads_a_group = heads;
    const double seconds = time_calls(state, [&] { bench.kernels.head_scan(data.args, 0, heads); });
    state.counters["elem/s"] = static_cast<double>(tokens * heads * head_dim * d_state) / seconds;
}

void conv_silu(benchmark::State& state, const Bench& bench) {
    constexpr std::int64_t channels = 1536;
    constexpr std::int64_t taps = 4;
    const Floats in(tokens * channels);
    const Floats history((taps - 1) * channels);
    const Floats weight(taps * channels);
    const Floats bias(channels);
    const Floats out(tokens * channels);
    const ConvArgs args{
        in.get(), channels, history.get(), weight.get(), bias.get(), taps, channels, 0,
        tokens,   0,        channels,      out.get(),    channels};
    const double seconds = time_calls(state, [&] { bench.kernels.conv_silu(args); });
    state.counters["elem/s"] = static_cast<double>(tokens * channels) / seconds;
    state.counters["B/s"] = static_cast<double>(tokens * channels) * 8.0 / seconds;
}

template <typename Fn>
void rows(benchmark::State& state, const Fn& row) {
    constexpr std::int64_t channels = 1536;
    const Floats in(tokens * channels);
    const Floats weight(channels);
    const Floats out(tokens * channels);
    const double seconds = time_calls(state, [&] {
        for (std::int64_t t = 0; t < tokens; ++t) {
            row(in.get() + t * channels, weight.get(), channels, out.get() + t * channels);
        }
    });
    state.counters["elem/s"] = static_cast<double>(tokens * channels) / seconds;
}

void add_benchmarks(const Bench& bench) {
    const KernelTable& k = bench.kernels;
    for (const std::int64_t m : {1, 16, 512}) {
        benchmark::RegisterBenchmark("matmul_f32/3072x768", matmul_f32, bench)->Arg(m);
        benchmark::RegisterBenchmark("matmul_bf16/3072x768", matmul_bf16, bench)->Arg(m);
    }
    benchmark::RegisterBenchmark("selective_scan/1536x16", selective_scan, bench, false);
    benchmark::RegisterBenchmark("selective_scan_filtered/1536x16", selective_scan, bench, true);
    benchmark::RegisterBenchmark("head_scan/24x64x128", head_scan, bench);
    benchmark::RegisterBenchmark("conv_silu/1536x4", conv_silu, bench);
    benchmark::RegisterBenchmark("rms_norm/1536", [&k](benchmark::State& state) {
        rows(state, [&](const float* in, const float* w, std::int64_t n, float* out) {
            k.rms_norm(in, w, n, 1e-5F, out);
        });
    });
    benchmark::RegisterBenchmark("softplus/1536", [&k](benchmark::State& state) {
        rows(state, [&](const float*, const float* w, std::int64_t n, float* out) {
            k.softplus(w, n, 0.0F, 1e30F, out);
        });
    });
    benchmark::RegisterBenchmark("gated_norm/1536", [&k](benchmark::State& state) {
        rows(state, [&](const float* in, const float* w, std::int64_t n, float* out) {
            k.gated_norm(in, w, n, 1e-5F, out);
        });
    });
}

}  // namespace
}  // namespace sipo::cpu

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    const sipo::cpu::Bench bench;
    std::fprintf(stderr,
                 "kernels %s; limits: %.0f GFLOP/s float32 a thread; memory read at %.1f GB/s by "
                 "one thread, "
                 "%.1f by %d\n",
                 bench.kernels.name, 2e-9 * bench.limits.multiply_adds,
                 1e-9 * bench.limits.read_bytes, 1e-9 * bench.limits.read_bytes_all,
                 sipo::usable_cpus());
    sipo::cpu::add_benchmarks(bench);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
