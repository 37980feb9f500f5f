// A few tokens through a random model by the emulated kernel, against the reference. See README.md.
#include <limits>
#include <map>
#include <string>

#include "checks.hpp"
#include "emulator.hpp"
#include "model.hpp"

namespace {

using namespace sipo::cuda;

struct Options {
    int d_model = 768, layers = 2, tokens = 2, blocks = 16, vocab = 4096;
    int first_tag = 0;  // that the launch before has left
};

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
        args_->exchange.control[0] = static_cast<unsigned>(options.first_tag);
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
        report_totals();
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

}  // namespace

int main(int count, char** words) {
    Options o;
    return run_checks(count, words,
                      {{"--d-model", &o.d_model},
                       {"--layers", &o.layers},
                       {"--tokens", &o.tokens},
                       {"--blocks", &o.blocks},
                       {"--vocab", &o.vocab},
                       {"--first-tag", &o.first_tag}},
                      [&] {
                          emulator::current.settings.multiprocessors = o.blocks;
                          Run(o).all();
                      });
}
