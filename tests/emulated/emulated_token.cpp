// A few tokens through a random model by the emulated kernel, against the reference. See README.md.
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <string>

#include "cuda_check.hpp"
#include "emulator.hpp"
#include "model.hpp"

namespace sipo::cuda {
[[noreturn]] void fail_cuda(cudaError_t, const char* what) { throw std::runtime_error(what); }
}  // namespace sipo::cuda

namespace {

using namespace sipo::cuda;

struct Options {
    int d_model = 768, layers = 2, tokens = 2, blocks = 16, vocab = 4096;
    unsigned first_tag = 0;  // that the launch before has left
    unsigned seconds = 300;
    std::string fault;
};

// One wrong value must not drown among many: the worst, too, has a limit. Where a sum lies between two bf16 the
// kernel may take the other one, which the layers after it make more of.
constexpr double most_error = 5e-3, worst_error = 10 * most_error;

int failures = 0;

void report(bool good, const std::string& what) {
    std::cout << (good ? "pass " : "FAIL ") << what << std::endl;
    if (!good) ++failures;
}

void compare(const std::string& what, const std::vector<double>& found,
             const std::vector<double>& wanted) {
    double error = 0, norm = 0, worst = 0;
    std::size_t not_finite = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double e = std::abs(found[i] - wanted[i]);
        norm += wanted[i] * wanted[i];
        if (!std::isfinite(e)) {
            ++not_finite;
            continue;
        }
        error += e * e;
        worst = std::max(worst, e);
    }
    const double rms = std::sqrt(norm / static_cast<double>(wanted.size()));
    const double relative = std::sqrt(error / norm);
    const bool good = not_finite == 0 && relative < most_error && worst < worst_error * rms;
    report(good, what + ": relative error " + std::to_string(relative) + ", worst " +
                     std::to_string(worst / rms) + " of the rms, " + std::to_string(not_finite) +
                     " not finite");
}

TokenLayer arguments(const Layer& l) {
    return {.norm = l.norm.data(),
            .in_proj = l.in_proj.data(),
            .conv_weight = l.conv_weight.data(),
            .conv_bias = l.conv_bias.data(),
            .history = l.history.data(),
            .x_proj = l.x_proj.data(),
            .dt_weight = l.dt_weight.data(),
            .dt_bias = l.dt_bias.data(),
            .a = l.a.data(),
            .d = l.d.data(),
            .state = l.state.data(),
            .out_proj = l.out_proj.data()};
}

TokenShape shape_of(const Model& m, const Matrix<float>& residual) {
    const Layer& l = m.layers.at(0);
    return {.d_model = m.d_model,
            .dt_rank = m.dt_rank,
            .dt_stride = l.dt_weight.stride(),
            .conv_stride = l.conv_weight.stride(),
            .history_stride = l.history.stride(),
            .a_stride = l.a.stride(),
            .state_stride = l.state.stride(),
            .norm_eps = 1e-5F,
            .high = std::numeric_limits<float>::infinity(),
            .residual = residual.data()};
}

class Run {
public:
    explicit Run(const Options& options)
        : options_(options),
          model_(options.d_model, options.layers, options.vocab),
          reference_(model_),
          residual_(1, options.d_model),
          logits_(1, options.vocab),
          args_(std::make_unique<TokenArgs>()) {
        args_->shape = shape_of(model_, residual_);
        exchange_ = std::make_unique<GuardedMemory>(exchange_bytes());
        std::memset(exchange_->data(), 0, exchange_bytes());
        args_->exchange = make_exchange(args_->shape, exchange_->data());
        args_->exchange.control[0] = options.first_tag;
        if (options.layers > max_token_layers) throw std::runtime_error("too many layers");
        args_->layers = options.layers;
        for (int i = 0; i < options.layers; ++i)
            args_->layer[i] = arguments(model_.layers[std::size_t(i)]);
        args_->head = {model_.last_norm.data(), model_.head.data(), logits_.data(), options.vocab};
    }

    void all() {
        if (token_blocks(args_->shape) != options_.blocks)
            throw std::runtime_error("the shape does not fit");
        Random random(2);
        for (int token = 0; token < options_.tokens; ++token) {
            random.fill(residual_, 1);
            step("token " + std::to_string(token));
        }
        for (std::size_t i = 0; i < model_.layers.size(); ++i) {
            const std::string name = "layer " + std::to_string(i);
            compare(name + ", state", model_.layers[i].state.values(), reference_.states[i]);
            compare(name + ", history", model_.layers[i].history.values(), reference_.histories[i]);
            report(model_.layers[i].unchanged(), name + ", weights unchanged");
        }
        const emulator::Totals& t = emulator::current.totals;
        report(t.errors == 0, std::to_string(t.errors) + " errors, " + std::to_string(t.turns) +
                                  " turns, " + std::to_string(t.late) + " late copies and stores");
    }

private:
    [[nodiscard]] std::size_t exchange_bytes() const {
        return static_cast<std::size_t>(sipo::cuda::exchange_bytes(args_->shape, options_.blocks));
    }
    void step(const std::string& name) {
        const std::vector<double> before = residual_.values();
        mamba1_token(*args_, options_.blocks, nullptr);
        std::vector<double> found = residual_.values(), wanted = before;
        compare(name + ", logits", logits_.values(), reference_.logits(found));
        reference_.step(wanted);
        for (std::size_t c = 0; c < before.size(); ++c)
            found[c] -= before[c], wanted[c] -= before[c];
        compare(name + ", what is added to the residual", found, wanted);
    }

    const Options& options_;
    Model model_;
    Reference reference_;
    Matrix<float> residual_, logits_;
    std::unique_ptr<TokenArgs> args_;
    std::unique_ptr<GuardedMemory> exchange_;
};

const std::map<std::string, emulator::Order> orders{{"round_robin", emulator::Order::round_robin},
                                                    {"random", emulator::Order::random},
                                                    {"skewed", emulator::Order::skewed}};

void take(Options& o, const std::string& name, const std::string& value) {
    emulator::Settings& s = emulator::current.settings;
    if (name == "--order") {
        s.order = orders.at(value);
        return;
    }
    if (name == "--fault") {
        o.fault = value;
        return;
    }
    const auto number = static_cast<unsigned>(std::stoul(value));
    const std::map<std::string, int*> counts{{"--d-model", &o.d_model},
                                             {"--layers", &o.layers},
                                             {"--tokens", &o.tokens},
                                             {"--blocks", &o.blocks},
                                             {"--vocab", &o.vocab}};
    if (name == "--seed")
        s.seed = number;
    else if (name == "--races")
        s.races = number != 0;
    else if (name == "--preempt")
        s.preempt = number;
    else if (name == "--first-tag")
        o.first_tag = number;
    else if (name == "--seconds")
        o.seconds = number;
    else
        *counts.at(name) = static_cast<int>(number);
}

int run(const Options& o) {
    emulator::current.settings.multiprocessors = o.blocks;
    emulator::current.settings.fault = o.fault;
    emulator::watch(o.seconds);
    Run(o).all();
    std::cout << (failures == 0 ? "all pass" : "some FAIL") << std::endl;
    return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
    Options options;
    try {
        for (int i = 1; i < count; i += 2)
            take(options, words[i], i + 1 < count ? words[i + 1] : "");
        return run(options);
    } catch (const std::logic_error&) {  // of what take() looked up
        std::cout << "options: see tests/emulated/README.md" << std::endl;
        return 3;
    } catch (const std::exception& e) {
        std::cout << "FAIL " << e.what() << std::endl;
        return 2;
    }
}
