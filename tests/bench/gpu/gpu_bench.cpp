// Times every operation of a device on the shapes of the public models and says what share of the
// device's own limits it reaches. The limits are measured first, in the same run: the bandwidth of
// a copy that no cache holds, and the rate of a large bf16 product.
//
//   gpu_bench [--backend NAME] [--tokens N] [--filter TEXT] [--json]
//
// Each figure is the median of several samples; a sample is as many calls as take some
// milliseconds, enqueued one after the other, and the download of one number that waits for them.
// Buffers hold random numbers; activations are kept in bf16, the residual stream and the states in
// f32. Bytes are those that the operation cannot avoid: each input read once, each output written
// once.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/registry.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/random.hpp"

namespace sipo::bench {
namespace {

using backend::Buffer;
using backend::BufferPtr;
using backend::Matrix;
using backend::MatrixPtr;
using backend::View;

struct Arguments {
    std::string backend = "cuda";
    std::int64_t tokens = 131072;
    std::string filter;
    bool json = false;
};

// What an operation has to do, for its share of the limits.
struct Work {
    double bytes = 0.0;
    double flops = 0.0;     // of matrix products
    double elements = 0.0;  // of what counts in an operation that neither limit binds
};

struct Figure {
    std::string name;
    Work work;
    double seconds;
};

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// The backend, a stream, and everything that is allocated on it.
class Device {
public:
    explicit Device(const std::string& name)
        : backend_(backend::make_backend(name)),
          stream_(backend_->open_stream(0)),
          probe_(stream_->allocate(1, 1)) {}

    backend::Stream* operator->() { return stream_.get(); }

    // Random numbers in [low, high): a block from the host, copied until the buffer is full.
    View random(std::int64_t rows, std::int64_t cols, DType type, double low = -1.0,
                double high = 1.0) {
        const View all(*buffers_.emplace_back(stream_->allocate(rows, cols, type)));
        const std::int64_t block = std::min<std::int64_t>(rows, 256);
        stream_->upload(random_values(block * cols, low, high), all.row_range(0, block));
        for (std::int64_t filled = block; filled < rows;) {
            const std::int64_t count = std::min(filled, rows - filled);
            stream_->copy(all.row_range(0, count), all.row_range(filled, count));
            filled += count;
        }
        return all;
    }
    const Buffer& table(std::int64_t rows, std::int64_t cols, double low, double high) {
        return *buffers_.emplace_back(
            backend_->upload_table(rows, cols, random_values(rows * cols, low, high)));
    }
    const Matrix& matrix(std::int64_t rows, std::int64_t cols) {
        const double width = 1.0 / std::sqrt(static_cast<double>(cols));
        const std::vector<float> values = random_values(rows * cols, -width, width);
        std::vector<std::uint16_t> bits(values.size());
        std::transform(values.begin(), values.end(), bits.begin(), float_to_bf16);
        return *matrices_.emplace_back(backend_->upload_matrix(
            rows, cols, DType::bf16, std::as_bytes(std::span<const std::uint16_t>(bits))));
    }
    void release() {
        wait();
        buffers_.clear();
        matrices_.clear();
    }

    // Seconds of one call.
    double time(const std::function<void()>& call) {
        call();
        wait();
        const double once = seconds_of(1, call);
        const auto calls = static_cast<int>(std::clamp(5e-3 / once, 1.0, 200.0));
        std::vector<double> samples;
        const double end = now() + 0.4;
        while (samples.size() < 3 || (samples.size() < 15 && now() < end)) {
            samples.push_back(seconds_of(calls, call) / calls);
        }
        return median(samples);
    }

    [[nodiscard]] std::string name() const { return stream_->name(); }

private:
    void wait() {
        float ignored = 0.0F;
        stream_->download(View(*probe_), {&ignored, 1});
    }
    double seconds_of(int calls, const std::function<void()>& call) {
        const double start = now();
        for (int i = 0; i < calls; ++i) call();
        wait();
        return now() - start;
    }
    // The same numbers over and over: hundreds of millions are wanted. Their count is a prime, so
    // that rows differ.
    static std::vector<float> random_values(std::int64_t wanted, double low, double high) {
        static const std::vector<double> numbers = [] {
            std::vector<double> made(65537);
            SplitMix64 random(1);
            for (double& number : made) number = random.uniform();
            return made;
        }();
        std::vector<float> values(static_cast<std::size_t>(wanted));
        std::size_t next = 0;
        for (float& value : values) {
            value = static_cast<float>(low + (high - low) * numbers[next]);
            if (++next == numbers.size()) next = 0;
        }
        return values;
    }

    backend::BackendPtr backend_;
    backend::StreamPtr stream_;
    BufferPtr probe_;
    std::vector<BufferPtr> buffers_;
    std::vector<MatrixPtr> matrices_;
};

constexpr double bf16_bytes = 2.0;
constexpr double f32_bytes = 4.0;

double count(std::int64_t rows, std::int64_t cols) {
    return static_cast<double>(rows) * static_cast<double>(cols);
}

class Bench {
public:
    explicit Bench(const Arguments& arguments)
        : arguments_(arguments), device_(arguments.backend) {}

    void run();
    void print() const;

private:
    // Times `call` unless the filter leaves it out; `prepare` makes its buffers.
    void measure(const std::string& name, const Work& work,
                 const std::function<std::function<void()>()>& prepare) {
        if (name.find(arguments_.filter) == std::string::npos) return;
        const std::function<void()> call = prepare();
        figures_.push_back({name, work, device_.time(call)});
        device_.release();
        std::fprintf(stderr, "%s: %.3f ms\n", name.c_str(), 1e3 * figures_.back().seconds);
    }

    void limits();
    void product(const std::string& name, std::int64_t rows, std::int64_t outputs,
                 std::int64_t inputs, bool add);
    void selective_scan(const std::string& model, std::int64_t d_inner, bool filtered);
    void selective_step(const std::string& model, std::int64_t d_inner, std::int64_t sequences);
    void head_scan(const std::string& model, const backend::Mamba2Shape& shape);
    void head_step(const std::string& model, const backend::Mamba2Shape& shape,
                   std::int64_t sequences);
    void convolution(const std::string& model, std::int64_t channels);
    void projected_delta(const std::string& model, std::int64_t d_inner, std::int64_t dt_rank);
    void norms(const std::string& model, std::int64_t d_model, std::int64_t d_inner);
    void decimation(const std::string& model, std::int64_t d_model, std::int64_t d_inner);
    void mamba1(const std::string& model, std::int64_t d_model);
    void mamba2(const std::string& model, std::int64_t d_model);
    [[nodiscard]] double floor_of(const Work& work) const {
        return std::max(work.bytes / bandwidth_, work.flops / flop_rate_);
    }
    void print_table() const;
    void print_json() const;

    Arguments arguments_;
    Device device_;
    double bandwidth_ = 0.0;  // bytes a second
    double flop_rate_ = 0.0;  // a second
    std::vector<Figure> figures_;
};

void Bench::limits() {
    {
        const View from = device_.random(arguments_.tokens, 4096, DType::f32);
        const View to = device_.random(arguments_.tokens, 4096, DType::f32);
        const double seconds = device_.time([&] { device_->copy(from, to); });
        bandwidth_ = 2.0 * f32_bytes * count(from.rows, from.cols) / seconds;
        device_.release();
    }
    constexpr std::int64_t size = 8192;
    const std::int64_t rows = std::min(arguments_.tokens, size);
    const View in = device_.random(rows, size, DType::bf16);
    const View out = device_.random(rows, size, DType::bf16);
    const Matrix& matrix = device_.matrix(size, size);
    const double seconds = device_.time([&] { device_->multiply(in, matrix, out); });
    flop_rate_ = 2.0 * count(rows, size) * static_cast<double>(size) / seconds;
    device_.release();
}

// With few rows the weights are what is read, and a cache must not hold them: several matrices take
// turns.
void Bench::product(const std::string& name, std::int64_t rows, std::int64_t outputs,
                    std::int64_t inputs, bool add) {
    const double out_bytes = add ? 2.0 * f32_bytes : bf16_bytes;
    const Work work{.bytes = bf16_bytes * (count(outputs, inputs) + count(rows, inputs)) +
                             out_bytes * count(rows, outputs),
                    .flops = 2.0 * count(rows, outputs) * static_cast<double>(inputs)};
    measure(join(name, " ", outputs, "x", inputs, ", ", rows, " rows"), work, [&] {
        const View in = device_.random(rows, inputs, DType::bf16);
        const View out = device_.random(rows, outputs, add ? DType::f32 : DType::bf16);
        auto matrices = std::make_shared<std::vector<const Matrix*>>();
        const double all_bytes = bf16_bytes * count(outputs, inputs);
        const int turns = rows > 256 ? 1 : static_cast<int>(std::clamp(4e8 / all_bytes, 1.0, 32.0));
        for (int i = 0; i < turns; ++i) matrices->push_back(&device_.matrix(outputs, inputs));
        auto turn = std::make_shared<std::size_t>(0);
        return [=, this] {
            const Matrix& matrix = *(*matrices)[(*turn)++ % matrices->size()];
            add ? device_->multiply_add(in, matrix, out) : device_->multiply(in, matrix, out);
        };
    });
}

void Bench::selective_scan(const std::string& model, std::int64_t d_inner, bool filtered) {
    constexpr std::int64_t d_state = 16;
    const std::int64_t tokens = arguments_.tokens;
    const Work work{
        .bytes = bf16_bytes * (4.0 * count(tokens, d_inner) + 2.0 * count(tokens, d_state)),
        .elements = count(tokens, d_inner) * static_cast<double>(d_state)};
    measure(join(model, " selective_scan", filtered ? " filtered" : "", " (1, ", d_inner, ", ",
                 tokens, ")"),
            work, [&] {
                backend::ScanInputs in;
                in.x = device_.random(tokens, d_inner, DType::bf16);
                in.delta = device_.random(tokens, d_inner, DType::bf16, 1e-3, 0.1);
                in.b = device_.random(tokens, d_state, DType::bf16);
                in.c = device_.random(tokens, d_state, DType::bf16);
                in.a = &device_.table(d_state, d_inner, -16.0, -1.0);
                in.d = &device_.table(1, d_inner, -1.0, 1.0);
                if (filtered) {
                    in.filter = {&device_.table(1, d_inner, 0.0, 0.2),
                                 &device_.table(1, d_inner, 1.0, 1.0)};
                }
                const View z = device_.random(tokens, d_inner, DType::bf16);
                const View y = device_.random(tokens, d_inner, DType::bf16);
                const View state = device_.random(d_state, d_inner, DType::f32);
                return [=, this] { device_->selective_scan(in, z, {&state, 1}, y); };
            });
}

void Bench::selective_step(const std::string& model, std::int64_t d_inner, std::int64_t sequences) {
    constexpr std::int64_t d_state = 16;
    const Work work{
        .bytes = static_cast<double>(sequences) * (2.0 * f32_bytes * count(d_state, d_inner) +
                                                   4.0 * bf16_bytes * static_cast<double>(d_inner)),
        .elements = static_cast<double>(sequences) * count(d_state, d_inner)};
    measure(join(model, " selective_scan, a token of ", sequences), work, [&] {
        backend::ScanInputs in;
        in.x = device_.random(sequences, d_inner, DType::bf16);
        in.delta = device_.random(sequences, d_inner, DType::bf16, 1e-3, 0.1);
        in.b = device_.random(sequences, d_state, DType::bf16);
        in.c = device_.random(sequences, d_state, DType::bf16);
        in.a = &device_.table(d_state, d_inner, -16.0, -1.0);
        in.d = &device_.table(1, d_inner, -1.0, 1.0);
        const View z = device_.random(sequences, d_inner, DType::bf16);
        const View y = device_.random(sequences, d_inner, DType::bf16);
        std::vector<View> states;
        for (std::int64_t i = 0; i < sequences; ++i) {
            states.push_back(device_.random(d_state, d_inner, DType::f32));
        }
        return [=, this] { device_->selective_scan(in, z, states, y); };
    });
}

void Bench::head_scan(const std::string& model, const backend::Mamba2Shape& shape) {
    const std::int64_t tokens = arguments_.tokens;
    const std::int64_t d_inner = shape.n_heads * shape.head_dim;
    const std::int64_t width = shape.n_groups * shape.d_state;
    const Work work{
        .bytes = bf16_bytes * (2.0 * count(tokens, d_inner) + 2.0 * count(tokens, width)) +
                 f32_bytes * count(tokens, shape.n_heads),
        .elements = count(tokens, d_inner) * static_cast<double>(shape.d_state)};
    measure(join(model, " head_scan ", shape.n_heads, "x", shape.head_dim, ", ", shape.d_state,
                 " states, ", tokens, " tokens"),
            work, [&] {
                backend::ScanInputs in;
                in.x = device_.random(tokens, d_inner, DType::bf16);
                in.delta = device_.random(tokens, shape.n_heads, DType::f32, 1e-3, 0.1);
                in.b = device_.random(tokens, width, DType::bf16);
                in.c = device_.random(tokens, width, DType::bf16);
                in.a = &device_.table(1, shape.n_heads, -16.0, -1.0);
                in.d = &device_.table(1, shape.n_heads, -1.0, 1.0);
                const View y = device_.random(tokens, d_inner, DType::bf16);
                const View state =
                    device_.random(shape.n_heads * shape.d_state, shape.head_dim, DType::f32);
                return [=, this] { device_->head_scan(in, shape, {&state, 1}, y); };
            });
}

void Bench::head_step(const std::string& model, const backend::Mamba2Shape& shape,
                      std::int64_t sequences) {
    const std::int64_t d_inner = shape.n_heads * shape.head_dim;
    const std::int64_t width = shape.n_groups * shape.d_state;
    const double state_size = count(d_inner, shape.d_state);
    const Work work{.bytes = static_cast<double>(sequences) *
                             (2.0 * f32_bytes * state_size +
                              2.0 * bf16_bytes * static_cast<double>(d_inner + width)),
                    .elements = static_cast<double>(sequences) * state_size};
    measure(join(model, " head_scan, a token of ", sequences), work, [&] {
        backend::ScanInputs in;
        in.x = device_.random(sequences, d_inner, DType::bf16);
        in.delta = device_.random(sequences, shape.n_heads, DType::f32, 1e-3, 0.1);
        in.b = device_.random(sequences, width, DType::bf16);
        in.c = device_.random(sequences, width, DType::bf16);
        in.a = &device_.table(1, shape.n_heads, -16.0, -1.0);
        in.d = &device_.table(1, shape.n_heads, -1.0, 1.0);
        const View y = device_.random(sequences, d_inner, DType::bf16);
        std::vector<View> states;
        for (std::int64_t i = 0; i < sequences; ++i) {
            states.push_back(
                device_.random(shape.n_heads * shape.d_state, shape.head_dim, DType::f32));
        }
        return [=, this] { device_->head_scan(in, shape, states, y); };
    });
}

void Bench::convolution(const std::string& model, std::int64_t channels) {
    const std::int64_t tokens = arguments_.tokens;
    const Work work{.bytes = 2.0 * bf16_bytes * count(tokens, channels)};
    measure(join(model, " causal_conv_silu, ", channels, " channels"), work, [&] {
        const View in = device_.random(tokens, channels, DType::bf16);
        const View out = device_.random(tokens, channels, DType::bf16);
        const View state = device_.random(3, channels, DType::f32);
        const Buffer& weight = device_.table(4, channels, -0.5, 0.5);
        const Buffer& bias = device_.table(1, channels, -0.5, 0.5);
        return [=, this, &weight, &bias] {
            device_->causal_conv_silu(in, weight, &bias, {&state, 1}, out);
        };
    });
}

void Bench::projected_delta(const std::string& model, std::int64_t d_inner, std::int64_t dt_rank) {
    const std::int64_t tokens = arguments_.tokens;
    const Work work{.bytes = bf16_bytes * (count(tokens, dt_rank) + count(tokens, d_inner)),
                    .flops = 2.0 * count(tokens, d_inner) * static_cast<double>(dt_rank)};
    measure(join(model, " delta ", d_inner, "x", dt_rank), work, [&] {
        const View dt = device_.random(tokens, dt_rank, DType::bf16);
        const View out = device_.random(tokens, d_inner, DType::bf16);
        const Matrix& matrix = device_.matrix(d_inner, dt_rank);
        const Buffer& bias = device_.table(1, d_inner, -6.0, -2.0);
        return [=, this, &matrix, &bias] { device_->delta(dt, &matrix, bias, 0.0F, 3.4e38F, out); };
    });
}

void Bench::norms(const std::string& model, std::int64_t d_model, std::int64_t d_inner) {
    const std::int64_t tokens = arguments_.tokens;
    measure(join(model, " rms_norm, ", d_model, " channels"),
            {.bytes = (f32_bytes + bf16_bytes) * count(tokens, d_model)}, [&] {
                const View in = device_.random(tokens, d_model, DType::f32);
                const View out = device_.random(tokens, d_model, DType::bf16);
                const Buffer& weight = device_.table(1, d_model, 0.5, 1.5);
                return [=, this, &weight] { device_->rms_norm(in, weight, 1e-5F, out); };
            });
    measure(join(model, " gated_norm, ", d_inner, " channels"),
            {.bytes = 3.0 * bf16_bytes * count(tokens, d_inner)}, [&] {
                const View y = device_.random(tokens, d_inner, DType::bf16);
                const View z = device_.random(tokens, d_inner, DType::bf16);
                const Buffer& weight = device_.table(1, d_inner, 0.5, 1.5);
                return [=, this, &weight] { device_->gated_norm(y, z, nullptr, weight, 1e-5F, 1); };
            });
}

// What DeciMamba adds at its layer.
void Bench::decimation(const std::string& model, std::int64_t d_model, std::int64_t d_inner) {
    const std::int64_t tokens = arguments_.tokens;
    const std::int64_t kept = std::min<std::int64_t>(4000, tokens / 2);
    measure(join(model, " token_scores, ", d_inner, " channels"),
            {.bytes = bf16_bytes * count(tokens, d_inner)}, [&] {
                const View delta = device_.random(tokens, d_inner, DType::bf16, 0.0, 1.0);
                const View scores = device_.random(1, tokens, DType::f32);
                return [=, this] { device_->token_scores(delta, scores); };
            });
    measure(join(model, " select_top, ", kept, " of ", tokens, " tokens"),
            {.bytes = f32_bytes * static_cast<double>(tokens)}, [&] {
                const View scores = device_.random(1, tokens, DType::f32);
                return [=, this] { (void)device_->select_top(scores, kept); };
            });
    measure(join(model, " gather_rows, ", kept, " of ", tokens, " rows"),
            {.bytes = 2.0 * f32_bytes * count(kept, d_model)}, [&] {
                const View from = device_.random(tokens, d_model, DType::f32);
                const View to = device_.random(kept, d_model, DType::f32);
                std::vector<std::int64_t> rows;
                for (std::int64_t i = 0; i < kept; ++i) rows.push_back(i * (tokens / kept));
                return [=, this] { device_->gather_rows(from, rows, to); };
            });
}

void Bench::mamba1(const std::string& model, std::int64_t d_model) {
    const std::int64_t d_inner = 2 * d_model;
    const std::int64_t dt_rank = (d_model + 15) / 16;
    selective_scan(model, d_inner, false);
    selective_scan(model, d_inner, true);
    for (const std::int64_t sequences : {1, 64}) selective_step(model, d_inner, sequences);
    convolution(model, d_inner);
    projected_delta(model, d_inner, dt_rank);
    norms(model, d_model, d_inner);
    decimation(model, d_model, d_inner);
    for (const std::int64_t rows : {arguments_.tokens, std::int64_t{64}, std::int64_t{1}}) {
        product(model + " in_proj", rows, 2 * d_inner, d_model, false);
        product(model + " x_proj", rows, dt_rank + 32, d_inner, false);
        product(model + " out_proj", rows, d_model, d_inner, true);
    }
    product(model + " head", 64, 50280, d_model, false);
    product(model + " head", 1, 50280, d_model, false);
}

void Bench::mamba2(const std::string& model, std::int64_t d_model) {
    const std::int64_t d_inner = 2 * d_model;
    const backend::Mamba2Shape shape{d_inner / 64, 64, 1, 128};
    head_scan(model, shape);
    for (const std::int64_t sequences : {1, 64}) head_step(model, shape, sequences);
    convolution(model, d_inner + 256);
    norms(model, d_model, d_inner);
    for (const std::int64_t rows : {arguments_.tokens, std::int64_t{64}, std::int64_t{1}}) {
        product(model + " in_proj", rows, 2 * d_inner + 256 + shape.n_heads, d_model, false);
    }
}

void Bench::run() {
    limits();
    mamba1("mamba-2.8b", 2560);
    mamba1("mamba-130m", 768);
    mamba2("mamba2-2.7b", 2560);
    mamba2("mamba2-130m", 768);
}

void Bench::print_table() const {
    std::printf("%s; copy %.0f GB/s, bf16 product %.1f TFLOP/s\n\n", device_.name().c_str(),
                1e-9 * bandwidth_, 1e-12 * flop_rate_);
    std::printf("| %-58s | %9s | %8s | %8s | %8s | %5s |\n", "operation", "ms", "GB/s", "TFLOP/s",
                "Gelem/s", "floor");
    std::printf("|%s|\n", "---|---:|---:|---:|---:|---:");
    for (const Figure& figure : figures_) {
        std::printf("| %-58s | %9.4f | %8.0f | %8.1f | %8.1f | %3.0f %% |\n", figure.name.c_str(),
                    1e3 * figure.seconds, 1e-9 * figure.work.bytes / figure.seconds,
                    1e-12 * figure.work.flops / figure.seconds,
                    1e-9 * figure.work.elements / figure.seconds,
                    100.0 * floor_of(figure.work) / figure.seconds);
    }
}

void Bench::print_json() const {
    Json result;
    result["device"] = device_.name();
    result["copy_bytes_per_second"] = bandwidth_;
    result["product_flops_per_second"] = flop_rate_;
    result["operations"] = Json::array();
    for (const Figure& figure : figures_) {
        result["operations"].push_back(
            {{"name", figure.name},
             {"seconds", figure.seconds},
             {"bytes", figure.work.bytes},
             {"flops", figure.work.flops},
             {"elements", figure.work.elements},
             {"share_of_floor", floor_of(figure.work) / figure.seconds}});
    }
    std::printf("%s\n", result.dump(2).c_str());
}

void Bench::print() const { arguments_.json ? print_json() : print_table(); }

Arguments parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        if (option == "--json") {
            arguments.json = true;
            continue;
        }
        if (i + 1 == argc) fail(Code::invalid_argument, "no value for ", option);
        const std::string value = argv[++i];
        if (option == "--backend") {
            arguments.backend = value;
        } else if (option == "--tokens") {
            arguments.tokens = std::max(2L, std::strtol(value.c_str(), nullptr, 10));
        } else if (option == "--filter") {
            arguments.filter = value;
        } else {
            fail(Code::invalid_argument, "unknown option ", option);
        }
    }
    return arguments;
}

}  // namespace
}  // namespace sipo::bench

int main(int argc, char** argv) {
    try {
        sipo::bench::Bench bench(sipo::bench::parse(argc, argv));
        bench.run();
        bench.print();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "gpu_bench: %s\n", error.what());
        return 1;
    }
    return 0;
}
