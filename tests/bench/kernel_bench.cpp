// Benchmarks of the CPU kernels on real shapes, one thread, with the share of this machine's limit.
// The limits are measured first, in the same run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "arena.hpp"
#include "base/cpu_count.hpp"
#include "kernel_table.hpp"
#include "limits.hpp"

namespace sipo::cpu {
namespace {

constexpr std::int64_t tokens = 512;
// Rows of the elementwise kernels: far more than the caches hold, as in a long prompt's chunk.
constexpr std::int64_t many_rows = 16384;

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

struct Bench {
    const KernelTable& kernels = select_kernels();
    Limits limits = measure_limits(kernels, usable_cpus());
};

// What a call cannot do without. Divisions, minima and conversions come on top.
struct Work {
    double multiply_adds = 0.0;
    double bf16_products = 0.0;
    double byte_products = 0.0;
    double exponentials = 0.0;
    double read_bytes = 0.0;   // from memory
    double moved_bytes = 0.0;  // read, fetched to be written, written
};

// Arithmetic and memory work at the same time, so the slower of them is the limit.
double least_seconds(const Work& work, const Limits& limits) {
    const double arithmetic =
        work.multiply_adds / limits.multiply_adds + work.bf16_products / limits.bf16_products +
        work.byte_products / limits.byte_products + work.exponentials / limits.exponentials;
    const double memory =
        work.read_bytes / limits.read_bytes + work.moved_bytes / limits.moved_bytes;
    return std::max(arithmetic, memory);
}

// Runs the kernel as often as the benchmark asks; tells the rate in `unit`, `amount` a call, and
// the share of what the machine could do.
template <typename Fn>
void time_calls(benchmark::State& state, const Bench& bench, const Work& work, const char* unit,
                double amount, const Fn& fn) {
    const double start = thread_seconds();
    for (auto _ : state) fn();
    const double seconds = (thread_seconds() - start) / static_cast<double>(state.iterations());
    state.counters[unit] = amount / seconds;
    state.counters["%limit"] = 100.0 * least_seconds(work, bench.limits) / seconds;
}

constexpr std::int64_t outputs = 3072;
constexpr std::int64_t inputs = 768;

// Matrices for products to take in turn: of one row's no weight may come from a cache.
class Matrices {
public:
    Matrices(std::int64_t bytes, std::int64_t rows)
        : bytes_(bytes), count_(rows == 1 ? (256 << 20) / bytes : 1), values_(bytes * count_ / 4) {}
    [[nodiscard]] const std::byte* next() {
        next_ = (next_ + 1) % count_;
        return reinterpret_cast<const std::byte*>(values_.get()) + next_ * bytes_;
    }

private:
    std::int64_t bytes_;
    std::int64_t count_;
    Floats values_;
    std::int64_t next_ = 0;
};

// A product of `rows` rows with weights of `bytes`; run(weights, out) calls the kernel.
template <typename Fn>
void time_product(benchmark::State& state, const Bench& bench, Work work, std::int64_t bytes,
                  const Fn& run) {
    const std::int64_t rows = state.range(0);
    Matrices matrices(bytes, rows);
    const Floats out(rows * outputs);
    if (rows == 1) work.read_bytes = static_cast<double>(bytes);
    const auto call = [&] { run(matrices.next(), out.get()); };
    if (rows == 1) {
        time_calls(state, bench, work, "B/s", static_cast<double>(bytes), call);
    } else {
        const auto operations = static_cast<double>(2 * rows * outputs * inputs);
        time_calls(state, bench, work, "OP/s", operations, call);
    }
}

void matmul_f32(benchmark::State& state, const Bench& bench) {
    const std::int64_t m = state.range(0);
    const Floats x(m * inputs);
    const std::int64_t panels = outputs / bench.kernels.panel_f32;
    time_product(
        state, bench, {.multiply_adds = static_cast<double>(m * outputs * inputs)},
        outputs * inputs * 4, [&](const std::byte* weights, float* out) {
            bench.kernels.matmul_f32({x.get(), inputs, m, reinterpret_cast<const float*>(weights),
                                      outputs, inputs, 0, panels, out, outputs});
        });
}

void matmul_bf16(benchmark::State& state, const Bench& bench) {
    const std::int64_t m = state.range(0);
    const Floats x(m * inputs / 2);
    const std::int64_t panels = outputs / bench.kernels.panel_bf16;
    time_product(
        state, bench, {.bf16_products = static_cast<double>(m * outputs * inputs)},
        outputs * inputs * 2, [&](const std::byte* weights, float* out) {
            bench.kernels.matmul_bf16({reinterpret_cast<const std::uint16_t*>(x.get()), inputs, m,
                                       reinterpret_cast<const std::uint16_t*>(weights), outputs,
                                       inputs, 0, panels, out, outputs});
        });
}

void matmul_quant(benchmark::State& state, const Bench& bench, bool q8) {
    const KernelTable& kernels = bench.kernels;
    const std::int64_t m = state.range(0);
    constexpr std::int64_t blocks = inputs / quant_block;
    const Floats x(m * inputs / 4);
    const Floats x_blocks(m * blocks * 2);
    const std::int64_t panels = outputs / kernels.panel_quant;
    const auto kernel = q8 ? kernels.matmul_q8 : kernels.matmul_q4;
    const std::int64_t panel_bytes = (q8 ? kernels.panel_bytes_q8 : kernels.panel_bytes_q4)(blocks);
    time_product(state, bench, {.byte_products = static_cast<double>(m * outputs * inputs)},
                 panels * panel_bytes, [&](const std::byte* weights, float* out) {
                     kernel({reinterpret_cast<const std::int8_t*>(x.get()),
                             reinterpret_cast<const QuantInput*>(x_blocks.get()), m,
                             reinterpret_cast<const std::uint8_t*>(weights), outputs, blocks, 0,
                             panels, out, outputs});
                 });
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
    const auto elements = static_cast<double>(tokens * d_inner * d_state);
    // Δ A, Δ x B, the new state, and what it adds to y.
    time_calls(state, bench, {.multiply_adds = 4.0 * elements, .exponentials = elements}, "elem/s",
               elements, [&] { bench.kernels.selective_scan(data.args, 0, d_inner); });
}

void head_scan(benchmark::State& state, const Bench& bench) {
    constexpr std::int64_t heads = 24;
    constexpr std::int64_t head_dim = 64;
    constexpr std::int64_t d_state = 128;
    ScanData data(heads * head_dim, heads, d_state, heads * head_dim * d_state);
    data.args.d_state = d_state;
    data.args.head_dim = head_dim;
    data.args.heads_a_group = heads;
    const auto elements = static_cast<double>(tokens * heads * head_dim * d_state);
    // Δ x B, the new state, and what it adds to y.
    time_calls(state, bench, {.multiply_adds = 3.0 * elements}, "elem/s", elements,
               [&] { bench.kernels.head_scan(data.args, 0, heads); });
}

constexpr std::int64_t channels = 1536;

void conv_silu(benchmark::State& state, const Bench& bench) {
    constexpr std::int64_t taps = 4;
    const Floats in(many_rows * channels);
    const Floats history((taps - 1) * channels);
    const Floats weight(taps * channels);
    const Floats bias(channels);
    const Floats out(many_rows * channels);
    const ConvArgs args{.in = in.get(),
                        .in_stride = channels,
                        .state = history.get(),
                        .weight = weight.get(),
                        .bias = bias.get(),
                        .taps = taps,
                        .channels = channels,
                        .first_token = 0,
                        .last_token = many_rows,
                        .first_channel = 0,
                        .last_channel = channels,
                        .out = out.get(),
                        .out_stride = channels};
    constexpr auto elements = static_cast<double>(many_rows * channels);
    time_calls(
        state, bench,
        {.multiply_adds = 4.0 * elements, .exponentials = elements, .moved_bytes = 12.0 * elements},
        "elem/s", elements, [&] { bench.kernels.conv_silu(args); });
}

// A kernel that takes a row at a time; `an_element` is its work.
template <typename Fn>
void add_rows(const char* name, const Bench& bench, Work an_element, Fn row) {
    constexpr auto elements = static_cast<double>(many_rows * channels);
    const Work work{.multiply_adds = an_element.multiply_adds * elements,
                    .exponentials = an_element.exponentials * elements,
                    .read_bytes = an_element.read_bytes * elements,
                    .moved_bytes = an_element.moved_bytes * elements};
    benchmark::RegisterBenchmark(name, [=, &bench](benchmark::State& state) {
        const Floats in(many_rows * channels);
        const Floats weight(channels);
        const Floats out(many_rows * channels);
        time_calls(state, bench, work, "elem/s", elements, [&] {
            for (std::int64_t t = 0; t < many_rows; ++t) {
                row(in.get() + t * channels, weight.get(), out.get() + t * channels);
            }
        });
    });
}

void add_row_benchmarks(const Bench& bench) {
    const KernelTable& k = bench.kernels;
    constexpr std::int64_t n = channels;
    add_rows("rms_norm/1536", bench, {.multiply_adds = 3.0, .moved_bytes = 12.0},
             [&k](const float* in, const float* weight, float* out) {
                 k.rms_norm(in, weight, n, 1e-5F, out);
             });
    add_rows("gated_norm/1536", bench,
             {.multiply_adds = 4.0, .exponentials = 1.0, .moved_bytes = 12.0},
             [&k](const float* in, const float* weight, float* out) {
                 k.gated_norm(in, weight, n, 1e-5F, out);
             });
    add_rows("softplus/1536", bench,
             {.multiply_adds = 8.0, .exponentials = 1.0, .moved_bytes = 8.0},
             [&k](const float*, const float* weight, float* out) {
                 k.softplus(weight, n, 0.0F, 1e30F, out);
             });
    add_rows("add/1536", bench, {.multiply_adds = 1.0, .moved_bytes = 12.0},
             [&k](const float* in, const float*, float* out) { k.add(in, n, out); });
    add_rows("to_bf16/1536", bench, {.moved_bytes = 8.0},
             [&k](const float* in, const float*, float* out) {
                 k.to_bf16(in, n, reinterpret_cast<std::uint16_t*>(out));
             });
    add_rows("quantize_row/1536", bench, {.multiply_adds = 2.0, .moved_bytes = 6.5},
             [&k](const float* in, const float*, float* out) {
                 auto* codes = reinterpret_cast<std::int8_t*>(out);
                 k.quantize_row(in, n, codes, reinterpret_cast<QuantInput*>(codes + n));
             });
    add_rows("norm2/1536", bench, {.multiply_adds = 1.0, .read_bytes = 4.0},
             [&k](const float* in, const float*, float* out) { *out = k.norm2(in, n); });
    add_rows("log_sum_exp/1536", bench, {.exponentials = 1.0, .read_bytes = 4.0},
             [&k](const float* in, const float*, float* out) { *out = k.log_sum_exp(in, n); });
}

void add_benchmarks(const Bench& bench) {
    for (const std::int64_t m : {1, 16, 512}) {
        benchmark::RegisterBenchmark("matmul_f32/3072x768", matmul_f32, bench)->Arg(m);
        benchmark::RegisterBenchmark("matmul_bf16/3072x768", matmul_bf16, bench)->Arg(m);
        benchmark::RegisterBenchmark("matmul_q8/3072x768", matmul_quant, bench, true)->Arg(m);
        benchmark::RegisterBenchmark("matmul_q4/3072x768", matmul_quant, bench, false)->Arg(m);
    }
    benchmark::RegisterBenchmark("selective_scan/1536x16", selective_scan, bench, false);
    benchmark::RegisterBenchmark("selective_scan_filtered/1536x16", selective_scan, bench, true);
    benchmark::RegisterBenchmark("head_scan/24x64x128", head_scan, bench);
    benchmark::RegisterBenchmark("conv_silu/1536x4", conv_silu, bench);
    add_row_benchmarks(bench);
}

}  // namespace
}  // namespace sipo::cpu

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    const sipo::cpu::Bench bench;
    const std::string limits = describe(bench.limits, sipo::usable_cpus());
    std::fprintf(stderr, "kernels %s; %s\n", bench.kernels.name, limits.c_str());
    sipo::cpu::add_benchmarks(bench);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
