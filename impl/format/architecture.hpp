// The hyperparameters of a Mamba model, as a checkpoint states them and a container stores them.
// Names and meanings: methods.md is the specification, `mamba_ssm` and Hugging Face the sources.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.hpp"

namespace sipo {

// FalconMamba is Mamba-1 with dt, B and C normalised; a family of its own, because a reader that does
// not know of it must not run it as Mamba-1.
enum class Family : std::uint8_t { mamba1 = 1, mamba2 = 2, falcon_mamba = 3 };

// "mamba1", "mamba2", "falcon_mamba".
[[nodiscard]] const char* family_name(Family family);

struct Architecture {
    Family family = Family::mamba1;
    std::int64_t n_layers = 0;
    std::int64_t d_model = 0;
    std::int64_t d_inner = 0;
    std::int64_t d_state = 0;  // N
    std::int64_t d_conv = 4;   // K, taps of the causal convolution; the last is the current token
    std::int64_t dt_rank = 0;  // Mamba-1
    std::int64_t n_heads = 0;  // Mamba-2: d_inner = n_heads * head_dim
    std::int64_t head_dim = 0;
    std::int64_t n_groups = 0;
    std::int64_t vocab_size = 0;  // rows of the embedding, padding included
    float norm_eps = 1e-5F;
    float mixer_rms_eps = 0.0F;  // FalconMamba: of the norms of dt, B and C; 0 in others
    float delta_min = 0.0F;      // Mamba-2 time_step_limit; Mamba-1 leaves Δ unclamped
    float delta_max = 3.4e38F;
    bool tied_head = true;  // the head is the embedding
    bool conv_bias = true;
    bool linear_bias = false;  // in_proj and out_proj
    std::int32_t end_of_text = 0;
    std::int64_t training_length = 2048;

    // A channel has a Δ and decays of its own: Mamba-1 and FalconMamba.
    [[nodiscard]] bool is_mamba1() const { return family != Family::mamba2; }
    // Width of the convolution: x in Mamba-1, x | B | C in Mamba-2.
    [[nodiscard]] std::int64_t conv_channels() const {
        return is_mamba1() ? d_inner : d_inner + 2 * n_groups * d_state;
    }
    // Rows of in_proj: x | z in Mamba-1, z | x | B | C | dt in Mamba-2.
    [[nodiscard]] std::int64_t in_proj_rows() const {
        return is_mamba1() ? 2 * d_inner : 2 * d_inner + 2 * n_groups * d_state + n_heads;
    }
    // One Δ per channel in Mamba-1, per head in Mamba-2.
    [[nodiscard]] std::int64_t delta_channels() const { return is_mamba1() ? d_inner : n_heads; }
    bool operator==(const Architecture&) const = default;
};

// Throws Code::unsupported naming the value and the legal range: every size positive and within
// what the kernels index, products consistent (d_inner = n_heads * head_dim, heads divisible by
// groups).
void validate(const Architecture& architecture);

// A tensor the architecture demands, in the names of Hugging Face checkpoints.
struct TensorSpec {
    std::string name;
    std::vector<std::int64_t> shape;
    bool matrix = false;      // takes the chosen weights type; everything else is stored as f32
    bool delta_path = false;  // a matrix that Δ depends on: bf16 at least
};

// The type a tensor is stored in when the matrices' is `weights`.
[[nodiscard]] DType stored_type(const TensorSpec& spec, DType weights);

// Where a container keeps the dt rows of a quantised Mamba-2 in_proj in bf16.
[[nodiscard]] std::string delta_rows_name(const std::string& in_proj_name);

// All tensors of a model in the order of computation. `conv1d.weight` is [channels, d_conv].
[[nodiscard]] std::vector<TensorSpec> tensor_specs(const Architecture& architecture);

}  // namespace sipo
