// Mamba-1's layer (methods.md section 1; Gu and Dao, arXiv 2312.00752, algorithm 2), and with norms
// of dt, B and C FalconMamba's (Zuo et al., arXiv 2410.05355, section 2.2).
#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "model/block.hpp"

namespace sipo {
namespace {

using backend::States;
using backend::Stream;
using backend::View;

class Mamba1Block final : public Block {
public:
    Mamba1Block(const Architecture& arch, WeightSource& source, const std::string& name)
        : arch_(arch),
          norm_(source.vector(name + "norm.weight", arch.d_model)),
          in_proj_(source.matrix(name + "mixer.in_proj.weight", arch.in_proj_rows(), arch.d_model)),
          conv_weight_(source.transposed(name + "mixer.conv1d.weight", arch.d_inner, arch.d_conv)),
          x_proj_(source.matrix(name + "mixer.x_proj.weight", arch.dt_rank + 2 * arch.d_state,
                                arch.d_inner)),
          dt_proj_(source.matrix(name + "mixer.dt_proj.weight", arch.d_inner, arch.dt_rank, true)),
          dt_bias_(source.vector(name + "mixer.dt_proj.bias", arch.d_inner)),
          host_a_(source.negative_exp(name + "mixer.A_log", {arch.d_inner, arch.d_state})),
          a_(source.transposed_table(host_a_, arch.d_inner, arch.d_state)),
          d_(source.vector(name + "mixer.D", arch.d_inner)),
          out_proj_(source.matrix(name + "mixer.out_proj.weight", arch.d_model, arch.d_inner)) {
        if (arch.conv_bias) conv_bias_ = source.vector(name + "mixer.conv1d.bias", arch.d_inner);
        if (arch.linear_bias) {
            in_bias_ = source.vector(name + "mixer.in_proj.bias", arch.in_proj_rows());
            out_bias_ = source.vector(name + "mixer.out_proj.bias", arch.d_model);
        }
        if (arch.family == Family::falcon_mamba) {
            ones_ = source.ones(std::max(arch.dt_rank, arch.d_state));
        }
    }

    void project(Stream& stream, View residual, States conv_states,
                 Workspace& work) const override {
        const std::int64_t tokens = residual.rows;
        const View x = work.conv_out(tokens);
        const View dt_b_c = work.dt_b_c(tokens);
        stream.norm_multiply(residual, *norm_, arch_.norm_eps, work.normed(tokens), *in_proj_,
                             work.projected(tokens));  // x | z
        if (in_bias_) stream.add_bias(work.projected(tokens), *in_bias_);
        stream.causal_conv_silu(work.projected(tokens).col_range(0, arch_.d_inner), *conv_weight_,
                                conv_bias_.get(), conv_states, x);
        stream.multiply(x, *x_proj_, dt_b_c);  // dt | B | C
        if (ones_) normalise(stream, dt_b_c);
        stream.delta(dt_b_c.col_range(0, arch_.dt_rank), dt_proj_.get(), *dt_bias_, arch_.delta_min,
                     arch_.delta_max, work.delta(tokens));
    }

    [[nodiscard]] backend::ScanInputs scan_inputs(std::int64_t tokens, const LayerHook& hook,
                                                  const Workspace& work) const override {
        const View dt_b_c = work.dt_b_c(tokens);
        return {.x = work.conv_out(tokens),
                .delta = work.delta(tokens),
                .b = dt_b_c.col_range(arch_.dt_rank, arch_.d_state),
                .c = dt_b_c.col_range(arch_.dt_rank + arch_.d_state, arch_.d_state),
                .a = a_.get(),
                .d = d_.get(),
                .filter = hook.filter,
                .rows = hook.rows};
    }

    void mix(Stream& stream, std::int64_t tokens, const LayerHook& hook, States ssm_states,
             View residual, Workspace& work) const override {
        const View z = work.projected(tokens).col_range(arch_.d_inner, arch_.d_inner);
        const View y = work.y(residual.rows);
        stream.selective_scan(scan_inputs(tokens, hook, work), z, ssm_states, y);
        stream.multiply_add(y, *out_proj_, residual);
        if (out_bias_) stream.add_bias(residual, *out_bias_);
    }

    void step(Stream& stream, View residual, States conv_states, States ssm_states,
              Workspace& work) const override {
        const bool plain = !in_bias_ && !out_bias_ && !ones_;
        if (plain &&
            stream.step_mamba1(layer(residual.rows, work), residual, conv_states, ssm_states)) {
            return;
        }
        Block::step(stream, residual, conv_states, ssm_states, work);
    }

    [[nodiscard]] std::span<const float> a() const override { return host_a_; }

    [[nodiscard]] std::int64_t bytes() const override {
        return in_proj_->bytes() + x_proj_->bytes() + dt_proj_->bytes() + out_proj_->bytes() +
               arch_.d_inner * (arch_.d_conv + arch_.d_state + 3) * std::int64_t{sizeof(float)};
    }

    void add_products(std::vector<const backend::Matrix*>& products) const override {
        products.insert(products.end(),
                        {in_proj_.get(), x_proj_.get(), dt_proj_.get(), out_proj_.get()});
    }

private:
    void normalise(Stream& stream, View dt_b_c) const {
        std::int64_t first = 0;
        for (const std::int64_t width : {arch_.dt_rank, arch_.d_state, arch_.d_state}) {
            const View part = dt_b_c.col_range(first, width);
            stream.rms_norm(part, *ones_, arch_.mixer_rms_eps, part);
            first += width;
        }
    }

    [[nodiscard]] backend::Mamba1Layer layer(std::int64_t rows, const Workspace& work) const {
        return {.norm = norm_.get(),
                .norm_eps = arch_.norm_eps,
                .in_proj = in_proj_.get(),
                .conv_weight = conv_weight_.get(),
                .conv_bias = conv_bias_.get(),
                .x_proj = x_proj_.get(),
                .dt_proj = dt_proj_.get(),
                .dt_bias = dt_bias_.get(),
                .delta_min = arch_.delta_min,
                .delta_max = arch_.delta_max,
                .a = a_.get(),
                .d = d_.get(),
                .out_proj = out_proj_.get(),
                .normed = work.normed(rows),
                .projected = work.projected(rows),
                .x = work.conv_out(rows),
                .dt_b_c = work.dt_b_c(rows),
                .y = work.y(rows)};
    }

    Architecture arch_;
    backend::BufferPtr norm_;     // [1, d_model]
    backend::MatrixPtr in_proj_;  // [2 d_inner, d_model]
    backend::BufferPtr in_bias_;
    backend::BufferPtr conv_weight_;  // [d_conv, d_inner]
    backend::BufferPtr conv_bias_;    // [1, d_inner]
    backend::MatrixPtr x_proj_;       // [dt_rank + 2 d_state, d_inner]
    backend::MatrixPtr dt_proj_;      // [d_inner, dt_rank], always f32: Δ decides what is kept
    backend::BufferPtr dt_bias_;      // [1, d_inner]
    std::vector<float> host_a_;       // [d_inner, d_state]
    backend::BufferPtr a_;            // [d_state, d_inner]
    backend::BufferPtr d_;            // [1, d_inner]
    backend::MatrixPtr out_proj_;     // [d_model, d_inner]
    backend::BufferPtr out_bias_;
    backend::BufferPtr ones_;  // [1, max(dt_rank, d_state)], FalconMamba: its norms have no weights
};

}  // namespace

std::unique_ptr<Block> make_mamba1_block(const Architecture& arch, WeightSource& source,
                                         std::int64_t index) {
    return std::make_unique<Mamba1Block>(arch, source, join("backbone.layers.", index, "."));
}

}  // namespace sipo
