// A random Mamba-1 model through the emulated kernel, against references. See README.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "emu.hpp"
#include "mamba1_token.hpp"

namespace sipo::cuda {
[[noreturn]] void fail_cuda(cudaError_t, const char* what) {
    std::printf("FAIL engine: %s\n", what);
    std::_Exit(2);
}
}  // namespace sipo::cuda

namespace {
using namespace sipo::cuda;
using bf16 = __nv_bfloat16;

struct Options {
    int d_model = 768, dt_rank = 0, layers = 3, tokens = 3, blocks = 32, pad = 32;
    int first_tag = 0, vocab = 0;
    bool bias = true, late_factor = false;
    std::uint64_t model_seed = 1;
    double limit_exact = 1.5e-2, limit_rounded = 1e-3;
};

// Memory that ends at (up to 255 bytes before) a page that nobody can touch.
class Memory {
public:
    explicit Memory(std::size_t bytes) {
        const std::size_t page = 4096;
        mapped_ = (bytes + page - 1) / page * page + page;
        base_ = static_cast<unsigned char*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (base_ == MAP_FAILED) std::abort();
        std::memset(base_, 0xff, mapped_ - page);
        mprotect(base_ + mapped_ - page, page, PROT_NONE);
        data_ = base_ + (mapped_ - page - bytes) / 256 * 256;
    }
    Memory(const Memory&) = delete;
    ~Memory() { munmap(base_, mapped_); }
    void* data() const { return data_; }

private:
    std::size_t mapped_;
    unsigned char* base_;
    unsigned char* data_;
};

// [rows, cols] with `stride` elements from row to row; NaN in between.
template <typename T>
struct Matrix {
    int rows = 0, cols = 0, stride = 0;
    std::shared_ptr<Memory> memory;
    std::vector<T> before;
    Matrix() = default;
    Matrix(int r, int c, int s)
        : rows(r), cols(c), stride(s),
          memory(std::make_shared<Memory>((std::size_t(r - 1) * s + c) * sizeof(T))) {}
    T* data() const { return static_cast<T*>(memory->data()); }
    T& at(int r, int c) const { return data()[std::size_t(r) * stride + c]; }
    std::size_t bytes() const { return (std::size_t(rows - 1) * stride + cols) * sizeof(T); }
    void keep() { before.resize(bytes() / sizeof(T)); std::memcpy(static_cast<void*>(before.data()), data(), bytes()); }
    bool unchanged() const { return std::memcmp(before.data(), data(), bytes()) == 0; }
};

struct Layer {
    Matrix<float> norm, conv_weight, conv_bias, history, dt_weight, dt_bias, a, d, state;
    Matrix<bf16> in_proj, x_proj, out_proj, dt_weight_bf16;
    bool unchanged() const {
        return norm.unchanged() && conv_weight.unchanged() && conv_bias.unchanged() &&
               dt_weight.unchanged() && dt_bias.unchanged() && a.unchanged() && d.unchanged() &&
               in_proj.unchanged() && x_proj.unchanged() && out_proj.unchanged();
    }
};

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    float normal(double sigma, double mean = 0) {
        return static_cast<float>(mean + sigma * distribution_(engine_));
    }
    double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
    template <typename T>
    void fill(Matrix<T>& m, double sigma, double mean = 0) {
        for (int r = 0; r < m.rows; ++r)
            for (int c = 0; c < m.cols; ++c) m.at(r, c) = T(normal(sigma, mean));
    }

private:
    std::mt19937_64 engine_;
    std::normal_distribution<double> distribution_;
};

constexpr int d_state = 16, taps = 4;

struct Model {
    Options o;
    int di, dt_stride;
    std::vector<Layer> layers;
    explicit Model(const Options& options) : o(options), di(2 * o.d_model), dt_stride(o.dt_rank) {
        Random random(o.model_seed);
        const int wide = di + o.pad;
        for (int i = 0; i < o.layers; ++i) {
            Layer l;
            l.norm = {1, o.d_model, o.d_model};
            random.fill(l.norm, 0.1, 1);
            l.in_proj = {2 * di, o.d_model, o.d_model};
            random.fill(l.in_proj, 1 / std::sqrt(o.d_model));
            l.conv_weight = {taps, di, wide};
            random.fill(l.conv_weight, 0.5);
            l.conv_bias = {1, di, di};
            random.fill(l.conv_bias, 0.1);
            l.history = {taps - 1, di, wide};
            random.fill(l.history, 1);
            for (int k = 0; k < taps - 1; ++k)
                for (int c = 0; c < di; ++c) l.history.at(k, c) = bf16(l.history.at(k, c));
            l.x_proj = {o.dt_rank + 2 * d_state, di, di};
            random.fill(l.x_proj, 1 / std::sqrt(di));
            l.dt_weight = {di, o.dt_rank, dt_stride};
            random.fill(l.dt_weight, 1 / std::sqrt(o.dt_rank));
            for (int r = 0; r < di; ++r)  // checkpoints are bf16
                for (int c = 0; c < o.dt_rank; ++c) l.dt_weight.at(r, c) = bf16(l.dt_weight.at(r, c));
            l.dt_weight_bf16 = {di, o.dt_rank, dt_stride};
            for (int r = 0; r < di; ++r)
                for (int c = 0; c < o.dt_rank; ++c) l.dt_weight_bf16.at(r, c) = bf16(l.dt_weight.at(r, c));
            l.dt_bias = {1, di, di};
            for (int c = 0; c < di; ++c) {
                const double dt = std::exp(std::log(1e-3) + random.uniform() * std::log(100.0));
                l.dt_bias.at(0, c) = static_cast<float>(std::log(std::expm1(dt)));
            }
            l.a = {d_state, di, wide};
            for (int n = 0; n < d_state; ++n)
                for (int c = 0; c < di; ++c)
                    l.a.at(n, c) = static_cast<float>(-(n + 1) * (1 + 0.1 * random.uniform()));
            l.d = {1, di, di};
            random.fill(l.d, 0.2, 1);
            l.state = {d_state, di, wide};
            random.fill(l.state, 0.3);
            l.out_proj = {o.d_model, di, di};
            random.fill(l.out_proj, 1 / std::sqrt(di));
            for (auto* m : {&l.norm, &l.conv_weight, &l.conv_bias, &l.dt_weight, &l.dt_bias, &l.a, &l.d}) m->keep();
            for (auto* m : {&l.in_proj, &l.x_proj, &l.out_proj}) m->keep();
            layers.push_back(l);
        }
    }
};

double rounded(double v) { return static_cast<float>(bf16(static_cast<float>(v))); }

// The same layers in double; with `Rounds`, bf16 where the kernel rounds.
template <bool Rounds>
class Reference {
public:
    explicit Reference(const Model& m) : m_(m) {
        for (const Layer& l : m.layers) {
            states.push_back(flat(l.state));
            histories.push_back(flat(l.history));
        }
    }
    static std::vector<double> flat(const Matrix<float>& x) {
        std::vector<double> out;
        for (int r = 0; r < x.rows; ++r)
            for (int c = 0; c < x.cols; ++c) out.push_back(x.at(r, c));
        return out;
    }
    void step(std::vector<double>& residual) {
        for (std::size_t i = 0; i < m_.layers.size(); ++i) layer(i, residual);
    }
    std::vector<std::vector<double>> states, histories;

private:
    static double cut(double v) { return Rounds ? rounded(v) : v; }
    static double silu(double v) { return v / (1 + std::exp(-v)); }
    static std::vector<double> product(const Matrix<bf16>& w, const std::vector<double>& x) {
        std::vector<double> wide(w.cols);
        std::vector<double> out(w.rows);
        for (int r = 0; r < w.rows; ++r) {
            double sum[4] = {};
            for (int c = 0; c < w.cols; ++c) sum[c % 4] += static_cast<double>(static_cast<float>(w.at(r, c))) * x[c];
            out[r] = sum[0] + sum[1] + sum[2] + sum[3];
        }
        return out;
    }
    void layer(std::size_t i, std::vector<double>& residual) {
        const Layer& l = m_.layers[i];
        const int d = m_.o.d_model, di = m_.di, rank = m_.o.dt_rank;
        double squares = 0;
        for (double v : residual) squares += v * v;
        const double factor = 1 / std::sqrt(squares / d + 1e-5);
        std::vector<double> normed(d);
        // The norm's factor before the rounding, or after the product.
        const double before = m_.o.late_factor ? 1 : factor, after = m_.o.late_factor ? factor : 1;
        for (int c = 0; c < d; ++c) normed[c] = cut(residual[c] * l.norm.at(0, c) * before);
        auto xz = product(l.in_proj, normed);
        for (double& v : xz) v *= after;
        std::vector<double> x(di), y(di);
        auto& history = histories[i];
        for (int c = 0; c < di; ++c) {
            const double newest = cut(xz[c]);
            double sum = (m_.o.bias ? l.conv_bias.at(0, c) : 0) + l.conv_weight.at(3, c) * newest;
            for (int k = 0; k < 3; ++k) {
                sum += l.conv_weight.at(k, c) * history[k * di + c];
                history[k * di + c] = k < 2 ? history[(k + 1) * di + c] : newest;
            }
            x[c] = cut(silu(sum));
        }
        auto dbc = product(l.x_proj, x);
        for (double& v : dbc) v = cut(v);
        for (int c = 0; c < di; ++c) {
            double sum = l.dt_bias.at(0, c);
            for (int r = 0; r < rank; ++r) sum += l.dt_weight.at(c, r) * dbc[r];
            const double delta = cut(sum > 20 ? sum : std::log1p(std::exp(sum)));
            double out = l.d.at(0, c) * x[c];
            for (int n = 0; n < d_state; ++n) {
                double& h = states[i][n * di + c];
                h = std::exp(delta * l.a.at(n, c)) * h + delta * x[c] * dbc[rank + n];
                if (Rounds) h = static_cast<float>(h);
                out += h * dbc[rank + d_state + n];
            }
            y[c] = cut(out * silu(cut(xz[di + c])));
        }
        const auto added = product(l.out_proj, y);
        for (int c = 0; c < d; ++c) residual[c] += added[c];
    }
    const Model& m_;
};

int failures = 0;
void report(const std::string& what, bool good, const char* format, double a, double b, double c) {
    std::printf("%s %-34s ", good ? "PASS" : "FAIL", what.c_str());
    std::printf(format, a, b, c);
    std::printf("\n");
    std::fflush(stdout);
    if (!good) ++failures;
}
void compare(const std::string& what, const std::vector<double>& found,
             const std::vector<double>& wanted, double limit) {
    double error = 0, norm = 0, worst = 0;
    std::size_t place = 0, nans = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double e = std::abs(found[i] - wanted[i]);
        if (!(e < std::numeric_limits<double>::infinity())) {
            if (nans++ == 0 && !(worst > 1e300)) place = i, worst = 1e301;
            continue;
        }
        error += e * e;
        norm += wanted[i] * wanted[i];
        if (e > worst) worst = e, place = i;
    }
    const double rms = std::sqrt(norm / static_cast<double>(wanted.size()));
    const double relative = std::sqrt(error / norm);
    // One wrong value must not drown among many: the worst, too, has a limit.
    const bool good = nans == 0 && relative < limit && worst < std::max(40 * limit, 4e-2) * rms;
    char text[96];
    std::snprintf(text, sizeof text, "%zu values not finite, worst %.1e rms at %%.0f, limit %%.0e", nans, worst / rms);
    report(what, good, (std::string("rel L2 %.2e, ") + text).c_str(), relative, static_cast<double>(place), limit);
}

// Fields whose types a kernel may change.
void give(const float*& to, const Matrix<float>& wide, const Matrix<bf16>&) { to = wide.data(); }
[[maybe_unused]] void give(const bf16*& to, const Matrix<float>&, const Matrix<bf16>& narrow) { to = narrow.data(); }

// The old kernel's exchange does not depend on the blocks.
template <typename Shape>
std::size_t exchange_size(const Shape& shape, int blocks) {
    if constexpr (requires { exchange_bytes(shape, blocks); }) {
        return static_cast<std::size_t>(exchange_bytes(shape, blocks));
    } else {
        return static_cast<std::size_t>(exchange_bytes(shape));
    }
}
template <typename Shape>
auto exchange_in(const Shape& shape, int blocks, void* memory) {
    if constexpr (requires { make_exchange(shape, blocks, memory); }) {
        return make_exchange(shape, blocks, memory);
    } else {
        return make_exchange(shape, memory);
    }
}

std::unique_ptr<TokenArgs> arguments(const Model& m, Matrix<float>& residual, void* exchange) {
    auto args = std::make_unique<TokenArgs>();
    TokenShape& s = args->shape;
    const Layer& first = m.layers[0];
    s.d_model = m.o.d_model;
    s.dt_rank = m.o.dt_rank;
    s.dt_stride = m.dt_stride;
    s.conv_stride = first.conv_weight.stride;
    s.history_stride = first.history.stride;
    s.a_stride = first.a.stride;
    s.state_stride = first.state.stride;
    s.norm_eps = 1e-5F;
    s.low = 0.0F;
    s.high = std::numeric_limits<float>::infinity();
    s.residual = residual.data();
    args->exchange = exchange_in(s, m.o.blocks, exchange);
    args->layers = m.o.layers;
    for (int i = 0; i < m.o.layers; ++i) {
        const Layer& l = m.layers[i];
        TokenLayer& t = args->layer[i];
        t.norm = l.norm.data();
        t.in_proj = l.in_proj.data();
        t.conv_weight = l.conv_weight.data();
        t.conv_bias = m.o.bias ? l.conv_bias.data() : nullptr;
        t.history = l.history.data();
        t.x_proj = l.x_proj.data();
        give(t.dt_weight, l.dt_weight, l.dt_weight_bf16);
        t.dt_bias = l.dt_bias.data();
        t.a = l.a.data();
        t.d = l.d.data();
        t.state = l.state.data();
        t.out_proj = l.out_proj.data();
    }
    return args;
}

// The one place that knows how the kernel is started.
void launch_token(const TokenArgs& args, const Options& o) { mamba1_token(args, o.blocks, nullptr); }

// Of the residual that the kernel left.
void compare_logits(const std::vector<double>& residual, const Matrix<float>& norm, const Matrix<bf16>& head,
                    const Matrix<float>& logits, int token) {
    double squares = 0;
    for (double v : residual) squares += v * v;
    const double factor = 1 / std::sqrt(squares / static_cast<double>(residual.size()) + 1e-5);
    std::vector<double> wanted(static_cast<std::size_t>(head.rows));
    for (int r = 0; r < head.rows; ++r)
        for (int c = 0; c < head.cols; ++c)
            wanted[r] += static_cast<double>(static_cast<float>(head.at(r, c))) * residual[c] * norm.at(0, c) * factor;
    compare("token " + std::to_string(token) + " logits", Reference<false>::flat(logits), wanted, 5e-3);
}

void run(const Options& o) {
    Model model(o);
    Reference<false> exact(model);
    Reference<true> like(model);
    Random random(o.model_seed + 1000);
    Matrix<float> residual(1, o.d_model, o.d_model);
    TokenShape shape{};
    shape.d_model = o.d_model;
    shape.dt_rank = o.dt_rank;
    shape.dt_stride = o.dt_rank;
    const std::size_t words = exchange_size(shape, o.blocks);
    Memory exchange(words);
    std::memset(exchange.data(), 0, words);
    if (o.first_tag != 0) *static_cast<unsigned*>(exchange.data()) = static_cast<unsigned>(o.first_tag);
    const auto args = arguments(model, residual, exchange.data());
    const int vocab = std::max(o.vocab, 2);
    Matrix<float> last_norm(1, o.d_model, o.d_model), logits(1, vocab, vocab);
    Matrix<bf16> head(vocab, o.d_model, o.d_model);
    random.fill(last_norm, 0.1, 1);
    random.fill(head, 1 / std::sqrt(o.d_model));
    args->head = {last_norm.data(), head.data(), logits.data(), o.vocab};
    for (int token = 0; token < o.tokens; ++token) {
        random.fill(residual, 1);
        const std::vector<double> in = Reference<false>::flat(residual);
        launch_token(*args, o);
        std::vector<double> a = in, b = in, found = Reference<false>::flat(residual);
        if (o.vocab > 0) compare_logits(found, last_norm, head, logits, token);
        exact.step(a);
        like.step(b);
        for (int c = 0; c < o.d_model; ++c) a[c] -= in[c], b[c] -= in[c], found[c] -= in[c];
        const std::string name = "token " + std::to_string(token) + " added to the residual";
        compare(name + ", rounded", found, b, o.limit_rounded);
        compare(name + ", exact", found, a, o.limit_exact);
    }
    for (int i = 0; i < o.layers; ++i) {
        const Layer& l = model.layers[i];
        const std::string name = "layer " + std::to_string(i);
        const auto state = Reference<false>::flat(l.state), history = Reference<false>::flat(l.history);
        compare(name + " state, rounded", state, like.states[i], o.limit_rounded);
        compare(name + " state, exact", state, exact.states[i], o.limit_exact);
        compare(name + " history, rounded", history, like.histories[i], o.limit_rounded);
        compare(name + " history, exact", history, exact.histories[i], o.limit_exact);
        report(name + " weights", l.unchanged(), "unchanged%.0s%.0s%.0s", 0, 0, 0);
    }
    report("engine", emu::total.errors == 0, "%.0f errors, %.0f turns, %.0f copies", emu::total.errors,
           static_cast<double>(emu::total.turns), static_cast<double>(emu::total.copies));
}

[[noreturn]] void usage() {
    std::printf(
        "--vocab N (0: no head) --d-model N --dt-rank N --layers N --tokens N --blocks N --cluster N (where the launch names none)\n"
        "--mode rr|random|skew --seed N --model-seed N --delay ROUNDS --late-stores 0|1 --preempt N\n"
        "--races 0|1 --relaxed-orders 0|1 --patience TURNS --shared BYTES --pad N --bias 0|1 --late-factor 0|1 --first-tag N\n"
        "--limit X (rounded reference) --limit-exact X --seconds N\n");
    std::exit(3);
}

}  // namespace

int main(int count, char** words) {
    Options o;
    unsigned seconds = 600;
    for (int i = 1; i < count; i += 2) {
        const std::string key = words[i];
        if (i + 1 >= count) usage();
        const std::string value = words[i + 1];
        const auto number = std::strtoll(value.c_str(), nullptr, 0);
        const auto real = std::strtod(value.c_str(), nullptr);
        if (key == "--d-model") o.d_model = static_cast<int>(number);
        else if (key == "--dt-rank") o.dt_rank = static_cast<int>(number);
        else if (key == "--layers") o.layers = static_cast<int>(number);
        else if (key == "--tokens") o.tokens = static_cast<int>(number);
        else if (key == "--blocks") o.blocks = static_cast<int>(number);
        else if (key == "--vocab") o.vocab = static_cast<int>(number);
        else if (key == "--cluster") emu::settings.cluster = static_cast<int>(number);
        else if (key == "--seed") emu::settings.seed = static_cast<std::uint64_t>(number);
        else if (key == "--model-seed") o.model_seed = static_cast<std::uint64_t>(number);
        else if (key == "--delay") emu::settings.delay = real;
        else if (key == "--late-stores") emu::settings.late_stores = number != 0;
        else if (key == "--preempt") emu::settings.preempt = static_cast<unsigned>(number);
        else if (key == "--races") emu::settings.races = number != 0;
        else if (key == "--relaxed-orders") emu::settings.relaxed_orders = number != 0;
        else if (key == "--patience") emu::settings.patience = number;
        else if (key == "--shared") emu::settings.shared_bytes = static_cast<int>(number);
        else if (key == "--pad") o.pad = static_cast<int>(number);
        else if (key == "--bias") o.bias = number != 0;
        else if (key == "--late-factor") o.late_factor = number != 0;
        else if (key == "--first-tag") o.first_tag = static_cast<int>(number);
        else if (key == "--limit") o.limit_rounded = real;
        else if (key == "--limit-exact") o.limit_exact = real;
        else if (key == "--seconds") seconds = static_cast<unsigned>(number);
        else if (key == "--mode") {
            using emu::Mode;
            if (value == "rr") emu::settings.mode = Mode::round_robin;
            else if (value == "random") emu::settings.mode = Mode::random;
            else if (value == "skew") emu::settings.mode = Mode::skew;
            else usage();
        } else usage();
    }
    if (o.dt_rank == 0) o.dt_rank = (o.d_model + 15) / 16;
    emu::settings.multiprocessors = o.blocks;
    emu::watch(seconds);
    run(o);
    std::printf("%s\n", failures == 0 ? "ALL PASS" : "SOME FAIL");
    return failures == 0 ? 0 : 1;
}
