#include <array>
#include <charconv>

#include "base/dtype.hpp"
#include "import/hf_config.hpp"

namespace sipo {
namespace {

// The shortest decimal that is read as this float again.
double decimal(float value) {
    std::array<char, 32> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
    double result = 0.0;
    std::from_chars(text.data(), written.ptr, result);
    return result;
}

const char* model_type(Family family) {
    switch (family) {
        case Family::mamba1: return "mamba";
        case Family::mamba2: return "mamba2";
        case Family::falcon_mamba: return "falcon_mamba";
    }
    return "?";
}

const char* model_class(Family family) {
    switch (family) {
        case Family::mamba1: return "MambaForCausalLM";
        case Family::mamba2: return "Mamba2ForCausalLM";
        case Family::falcon_mamba: return "FalconMambaForCausalLM";
    }
    return "?";
}

Json expand_of(const Architecture& a) {
    if (a.d_inner % a.d_model == 0) return a.d_inner / a.d_model;
    return static_cast<double>(a.d_inner) / static_cast<double>(a.d_model);
}

void add_mamba2(const Architecture& a, Json& config) {
    config["num_heads"] = a.n_heads;
    config["head_dim"] = a.head_dim;
    config["n_groups"] = a.n_groups;
    config["rms_norm"] = true;
    constexpr Architecture plain{};
    if (a.delta_min != plain.delta_min || a.delta_max != plain.delta_max) {
        config["time_step_limit"] = {decimal(a.delta_min), decimal(a.delta_max)};
    }
}

}  // namespace

Json hf_config_of(const Architecture& a, DType weights) {
    const char* const dtype = weights == DType::bf16 ? "bfloat16" : "float32";
    Json config = {{"architectures", Json::array({model_class(a.family)})},
                   {"model_type", model_type(a.family)},
                   {"torch_dtype", dtype},
                   {"num_hidden_layers", a.n_layers},
                   {"hidden_size", a.d_model},
                   {"intermediate_size", a.d_inner},
                   {"expand", expand_of(a)},
                   {"state_size", a.d_state},
                   {"conv_kernel", a.d_conv},
                   {"vocab_size", a.vocab_size},
                   {"layer_norm_epsilon", decimal(a.norm_eps)},
                   {"hidden_act", "silu"},
                   {"residual_in_fp32", true},
                   {"tie_word_embeddings", a.tied_head},
                   {"use_conv_bias", a.conv_bias},
                   {"use_bias", a.linear_bias},
                   {"eos_token_id", a.end_of_text},
                   {"training_length", a.training_length}};
    if (a.is_mamba1()) {
        config["time_step_rank"] = a.dt_rank;
    } else {
        add_mamba2(a, config);
    }
    if (a.family == Family::falcon_mamba) config["mixer_rms_eps"] = decimal(a.mixer_rms_eps);
    return config;
}

}  // namespace sipo
