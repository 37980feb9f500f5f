#include "format/architecture.hpp"

#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace sipo {
namespace {

void check_range(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high) {
        fail(Code::unsupported, name, " is ", value, "; it must be ", low, " to ", high);
    }
}

void check_mamba2(const Architecture& a) {
    check_range("n_heads", a.n_heads, 1, 65536);
    check_range("head_dim", a.head_dim, 1, 65536);
    check_range("n_groups", a.n_groups, 1, a.n_heads);
    if (a.n_heads * a.head_dim != a.d_inner) {
        fail(Code::unsupported, "n_heads * head_dim is ", a.n_heads, " * ", a.head_dim,
             "; it must be d_inner, ", a.d_inner);
    }
    if (a.n_heads % a.n_groups != 0) {
        fail(Code::unsupported, "n_heads is ", a.n_heads, "; it must be a multiple of n_groups, ",
             a.n_groups);
    }
    check_range("n_groups * d_state", a.n_groups * a.d_state, 1, 262144);
    if (!(a.delta_min >= 0.0F && a.delta_min <= a.delta_max && std::isfinite(a.delta_max))) {
        fail(Code::unsupported, "the limits of delta are ", a.delta_min, " and ", a.delta_max,
             "; they must be finite, ascending and not below 0");
    }
}

void check_mixer_eps(const Architecture& a) {
    const bool falcon = a.family == Family::falcon_mamba;
    const bool legal =
        falcon ? a.mixer_rms_eps > 0.0F && a.mixer_rms_eps < 1.0F : a.mixer_rms_eps == 0.0F;
    if (legal) return;
    fail(Code::unsupported, "mixer_rms_eps is ", a.mixer_rms_eps,
         falcon ? "; it must be above 0 and below 1" : "; only FalconMamba has one");
}

class SpecList {
public:
    explicit SpecList(std::string prefix) : prefix_(std::move(prefix)) {}

    void enter(const std::string& prefix) { prefix_ = prefix; }
    void add(const char* name, std::vector<std::int64_t> shape) {
        specs_.push_back({.name = prefix_ + name, .shape = std::move(shape)});
    }
    void add_matrix(const char* name, std::int64_t rows, std::int64_t columns,
                    bool delta_path = false) {
        specs_.push_back({.name = prefix_ + name,
                          .shape = {rows, columns},
                          .matrix = true,
                          .delta_path = delta_path});
    }
    [[nodiscard]] std::vector<TensorSpec> take() { return std::move(specs_); }

private:
    std::string prefix_;
    std::vector<TensorSpec> specs_;
};

void add_mamba1(SpecList& specs, const Architecture& a) {
    specs.add_matrix("mixer.x_proj.weight", a.dt_rank + 2 * a.d_state, a.d_inner, true);
    specs.add_matrix("mixer.dt_proj.weight", a.d_inner, a.dt_rank, true);
    specs.add("mixer.dt_proj.bias", {a.d_inner});
    specs.add("mixer.A_log", {a.d_inner, a.d_state});
    specs.add("mixer.D", {a.d_inner});
}

void add_mamba2(SpecList& specs, const Architecture& a) {
    specs.add("mixer.dt_bias", {a.n_heads});
    specs.add("mixer.A_log", {a.n_heads});
    specs.add("mixer.D", {a.n_heads});
    specs.add("mixer.norm.weight", {a.d_inner});
}

void add_layer(SpecList& specs, const Architecture& a) {
    specs.add("norm.weight", {a.d_model});
    specs.add_matrix("mixer.in_proj.weight", a.in_proj_rows(), a.d_model);
    if (a.linear_bias) specs.add("mixer.in_proj.bias", {a.in_proj_rows()});
    specs.add("mixer.conv1d.weight", {a.conv_channels(), a.d_conv});
    if (a.conv_bias) specs.add("mixer.conv1d.bias", {a.conv_channels()});
    if (a.is_mamba1()) {
        add_mamba1(specs, a);
    } else {
        add_mamba2(specs, a);
    }
    specs.add_matrix("mixer.out_proj.weight", a.d_model, a.d_inner);
    if (a.linear_bias) specs.add("mixer.out_proj.bias", {a.d_model});
}

}  // namespace

const char* family_name(Family family) {
    switch (family) {
        case Family::mamba1: return "mamba1";
        case Family::mamba2: return "mamba2";
        case Family::falcon_mamba: return "falcon_mamba";
    }
    return "?";
}

void validate(const Architecture& a) {
    if (a.family < Family::mamba1 || a.family > Family::falcon_mamba) {
        fail(Code::unsupported, "family is ", static_cast<int>(a.family),
             "; it must be 1 (mamba), 2 (mamba2) or 3 (falcon_mamba)");
    }
    check_range("n_layers", a.n_layers, 1, 4096);
    check_range("d_model", a.d_model, 1, 65536);
    check_range("d_inner", a.d_inner, 1, 262144);
    check_range("d_state", a.d_state, 1, 1024);
    check_range("d_conv", a.d_conv, 2, 16);
    check_range("vocab_size", a.vocab_size, 1, std::int64_t{1} << 24);
    check_range("end_of_text", a.end_of_text, 0, a.vocab_size - 1);
    check_range("training_length", a.training_length, 1, std::int64_t{1} << 31);
    if (!(a.norm_eps > 0.0F && a.norm_eps < 1.0F)) {
        fail(Code::unsupported, "norm_eps is ", a.norm_eps, "; it must be above 0 and below 1");
    }
    check_mixer_eps(a);
    if (a.is_mamba1()) check_range("dt_rank", a.dt_rank, 1, 65536);
    if (a.family == Family::mamba2) check_mamba2(a);
}

DType stored_type(const TensorSpec& spec, DType weights) {
    if (!spec.matrix) return DType::f32;
    return spec.delta_path && is_quantised(weights) ? DType::bf16 : weights;
}

std::string delta_rows_name(const std::string& in_proj_name) { return in_proj_name + ".dt_rows"; }

std::vector<TensorSpec> tensor_specs(const Architecture& a) {
    SpecList specs("backbone.");
    specs.add_matrix("embeddings.weight", a.vocab_size, a.d_model);
    for (std::int64_t layer = 0; layer < a.n_layers; ++layer) {
        specs.enter("backbone.layers." + std::to_string(layer) + ".");
        add_layer(specs, a);
    }
    specs.enter("");
    specs.add("backbone.norm_f.weight", {a.d_model});
    if (!a.tied_head) specs.add_matrix("lm_head.weight", a.vocab_size, a.d_model);
    return specs.take();
}

}  // namespace sipo
