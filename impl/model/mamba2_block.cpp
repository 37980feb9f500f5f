// Mamba-2's layer (methods.md section 1; Dao and Gu, arXiv 2405.21060, section 7).
#include <string>

#include "base/error.hpp"
#include "model/block.hpp"

namespace sipo {
namespace {

using backend::States;
using backend::Stream;
using backend::View;

class Mamba2Block final : public Block {
public:
    Mamba2Block(const Architecture& arch, WeightSource& source, const std::string& name)
        : arch_(arch),
          b_c_width_(arch.n_groups * arch.d_state),
          norm_(source.vector(name + "norm.weight", arch.d_model)),
          in_proj_(source.matrix(name + "mixer.in_proj.weight", arch.in_proj_rows(), arch.d_model)),
          conv_weight_(
              source.transposed(name + "mixer.conv1d.weight", arch.conv_channels(), arch.d_conv)),
          dt_bias_(source.vector(name + "mixer.dt_bias", arch.n_heads)),
          host_a_(source.negative_exp(name + "mixer.A_log", {arch.n_heads})),
          a_(source.transposed_table(host_a_, arch.n_heads, 1)),
          d_(source.vector(name + "mixer.D", arch.n_heads)),
          gate_norm_(source.vector(name + "mixer.norm.weight", arch.d_inner)),
          out_proj_(source.matrix(name + "mixer.out_proj.weight", arch.d_model, arch.d_inner)) {
        if (arch.conv_bias)
            conv_bias_ = source.vector(name + "mixer.conv1d.bias", arch.conv_channels());
        const std::string delta_rows = delta_rows_name(name + "mixer.in_proj.weight");
        if (source.has(delta_rows))
            delta_rows_ = source.matrix(delta_rows, arch.n_heads, arch.d_model);
        if (arch.linear_bias) {
            in_bias_ = source.vector(name + "mixer.in_proj.bias", arch.in_proj_rows());
            out_bias_ = source.vector(name + "mixer.out_proj.bias", arch.d_model);
        }
    }

    void project(Stream& stream, View residual, States conv_states,
                 Workspace& work) const override {
        const std::int64_t tokens = residual.rows;
        const View projected = work.projected(tokens);  // z | x | B | C | dt
        const std::int64_t dt_column = arch_.d_inner + arch_.conv_channels();
        stream.norm_multiply(residual, *norm_, arch_.norm_eps, work.normed(tokens), *in_proj_,
                             projected);
        if (delta_rows_) {
            stream.multiply(work.normed(tokens), *delta_rows_,
                            projected.col_range(dt_column, arch_.n_heads));
        }
        if (in_bias_) stream.add_bias(projected, *in_bias_);
        stream.causal_conv_silu(projected.col_range(arch_.d_inner, arch_.conv_channels()),
                                *conv_weight_, conv_bias_.get(), conv_states,
                                work.conv_out(tokens));
        stream.delta(projected.col_range(dt_column, arch_.n_heads), nullptr, *dt_bias_,
                     arch_.delta_min, arch_.delta_max, work.delta(tokens));
    }

    [[nodiscard]] backend::ScanInputs scan_inputs(std::int64_t tokens, const LayerHook& hook,
                                                  const Workspace& work) const override {
        const View x_b_c = work.conv_out(tokens);
        return {.x = x_b_c.col_range(0, arch_.d_inner),
                .delta = work.delta(tokens),
                .b = x_b_c.col_range(arch_.d_inner, b_c_width_),
                .c = x_b_c.col_range(arch_.d_inner + b_c_width_, b_c_width_),
                .a = a_.get(),
                .d = d_.get(),
                .filter = hook.filter,
                .rows = hook.rows};
    }

    void mix(Stream& stream, std::int64_t tokens, const LayerHook& hook, States ssm_states,
             View residual, Workspace& work) const override {
        const View z = work.projected(tokens).col_range(0, arch_.d_inner);
        const View y = work.y(residual.rows);
        stream.head_scan(scan_inputs(tokens, hook, work),
                         {.n_heads = arch_.n_heads,
                          .head_dim = arch_.head_dim,
                          .n_groups = arch_.n_groups,
                          .d_state = arch_.d_state},
                         ssm_states, y);
        stream.gated_norm(y, z, hook.rows, *gate_norm_, arch_.norm_eps, arch_.n_groups);
        stream.multiply_add(y, *out_proj_, residual);
        if (out_bias_) stream.add_bias(residual, *out_bias_);
    }

    [[nodiscard]] std::span<const float> a() const override { return host_a_; }

    [[nodiscard]] std::int64_t bytes() const override {
        return in_proj_->bytes() + out_proj_->bytes() +
               (arch_.conv_channels() * (arch_.d_conv + 1) + arch_.d_inner + 3 * arch_.n_heads) *
                   std::int64_t{sizeof(float)};
    }

    void add_products(std::vector<const backend::Matrix*>& products) const override {
        products.insert(products.end(), {in_proj_.get(), out_proj_.get()});
        if (delta_rows_) products.push_back(delta_rows_.get());
    }

private:
    Architecture arch_;
    std::int64_t b_c_width_;
    backend::BufferPtr norm_;     // [1, d_model]
    backend::MatrixPtr in_proj_;  // [2 d_inner + 2 n_groups d_state + n_heads, d_model]
    backend::MatrixPtr
        delta_rows_;  // [n_heads, d_model], the precise dt rows of a quantised in_proj
    backend::BufferPtr in_bias_;
    backend::BufferPtr conv_weight_;  // [d_conv, conv channels]
    backend::BufferPtr conv_bias_;
    backend::BufferPtr dt_bias_;    // [1, n_heads]
    std::vector<float> host_a_;     // [n_heads]
    backend::BufferPtr a_;          // [1, n_heads]
    backend::BufferPtr d_;          // [1, n_heads]
    backend::BufferPtr gate_norm_;  // [1, d_inner]
    backend::MatrixPtr out_proj_;   // [d_model, d_inner]
    backend::BufferPtr out_bias_;
};

}  // namespace

std::unique_ptr<Block> make_mamba2_block(const Architecture& arch, WeightSource& source,
                                         std::int64_t index) {
    return std::make_unique<Mamba2Block>(arch, source, join("backbone.layers.", index, "."));
}

}  // namespace sipo
