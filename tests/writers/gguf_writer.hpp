// GGUF files, and models in the layout that llama.cpp's converter gives them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/quant.hpp"
#include "format/container.hpp"
#include "format/widen.hpp"
#include "writers/file_bytes.hpp"

namespace sipo::writers {

class GgufWriter {
public:
    void text(const std::string& key, const std::string& value) {
        begin(key, 8);
        put_text(values_, value);
    }
    void u32(const std::string& key, std::int64_t value) {
        begin(key, 4);
        append(values_, static_cast<std::uint32_t>(value));
    }
    void f32(const std::string& key, float value) {
        begin(key, 6);
        append(values_, value);
    }
    void boolean(const std::string& key, bool value) {
        begin(key, 7);
        append<std::uint8_t>(values_, value ? 1 : 0);
    }
    void texts(const std::string& key, const std::vector<std::string>& values) {
        begin_array(key, 8, values.size());
        for (const std::string& value : values) put_text(values_, value);
    }
    void i32s(const std::string& key, const std::vector<std::int32_t>& values) {
        begin_array(key, 5, values.size());
        for (const std::int32_t value : values) append(values_, value);
    }
    // `shape` slowest dimension first; `type` is ggml's number.
    void tensor(const std::string& name, const std::vector<std::int64_t>& shape, std::uint32_t type,
                const std::string& bytes) {
        put_text(places_, name);
        append(places_, static_cast<std::uint32_t>(shape.size()));
        for (std::size_t i = shape.size(); i-- > 0;) append(places_, shape[i]);
        append(places_, type);
        append<std::uint64_t>(places_, data_.size());
        data_ += bytes;
        pad_to(data_, 32);
        ++tensor_count_;
    }
    [[nodiscard]] std::string file() const {
        std::string out = "GGUF";
        append<std::uint32_t>(out, 3);
        append(out, tensor_count_);
        append(out, value_count_);
        out += values_ + places_;
        pad_to(out, 32);
        return out + data_;
    }

private:
    static void put_text(std::string& out, const std::string& value) {
        append<std::uint64_t>(out, value.size());
        out += value;
    }
    void begin(const std::string& key, std::uint32_t type) {
        put_text(values_, key);
        append(values_, type);
        ++value_count_;
    }
    void begin_array(const std::string& key, std::uint32_t type, std::size_t count) {
        begin(key, 9);
        append(values_, type);
        append<std::uint64_t>(values_, count);
    }

    std::string values_;
    std::string places_;
    std::string data_;
    std::uint64_t value_count_ = 0;
    std::uint64_t tensor_count_ = 0;
};

// Round to nearest even, within f16's range.
inline std::uint16_t float_to_f16(float value) {
    const std::uint32_t sign = std::bit_cast<std::uint32_t>(value) >> 16 & 0x8000U;
    const float magnitude = std::fabs(value);
    if (magnitude == 0.0F) return static_cast<std::uint16_t>(sign);
    const int exponent = std::max(std::ilogb(magnitude), -14);
    const float units = std::nearbyint(std::ldexp(magnitude, 10 - exponent));  // 1024: 1.0
    const float rounded = std::ldexp(units, exponent - 10);
    const int top = std::max(std::ilogb(rounded), -14);
    const auto fraction = static_cast<std::uint32_t>(std::ldexp(rounded, 10 - top));
    const std::uint32_t biased = fraction < 1024 ? 0 : static_cast<std::uint32_t>(top + 15) << 10;
    return static_cast<std::uint16_t>(sign | (biased + (fraction & 1023U)));
}

inline std::string bytes_of(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// Whole blocks of ggml's Q8_0; `values` becomes what they stand for.
inline std::string quantised_q8_0(std::vector<float>& values) {
    std::string out;
    for (std::size_t first = 0; first < values.size(); first += 32) {
        float largest = 0.0F;
        for (std::size_t i = first; i < first + 32; ++i)
            largest = std::max(largest, std::fabs(values[i]));
        const std::uint16_t bits = float_to_f16(largest / 127.0F);
        const float scale = f16_to_float(bits);
        append(out, bits);
        for (std::size_t i = first; i < first + 32; ++i) {
            const float code =
                scale == 0.0F ? 0.0F : std::clamp(std::round(values[i] / scale), -127.0F, 127.0F);
            append(out, static_cast<std::int8_t>(code));
            values[i] = scale * code;
        }
    }
    return out;
}

inline std::string replace_in(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return text;
}

// llama.cpp's name of a tensor of tensor_specs().
inline std::string gguf_name(std::string name) {
    if (name == "backbone.embeddings.weight") return "token_embd.weight";
    if (name == "backbone.norm_f.weight") return "output_norm.weight";
    if (name == "lm_head.weight") return "output.weight";
    name = replace_in(name, "backbone.layers.", "blk.");
    for (const auto& [from, to] :
         std::vector<std::pair<std::string, std::string>>{{"mixer.dt_proj.", "ssm_dt."},
                                                          {"mixer.dt_bias", "ssm_dt.bias"},
                                                          {"mixer.x_proj.", "ssm_x."},
                                                          {"mixer.in_proj.", "ssm_in."},
                                                          {"mixer.out_proj.", "ssm_out."},
                                                          {"mixer.conv1d.", "ssm_conv1d."},
                                                          {"mixer.A_log", "ssm_a"},
                                                          {"mixer.D", "ssm_d"},
                                                          {"mixer.norm.", "ssm_norm."}}) {
        name = replace_in(name, from, to);
    }
    return name.find("ssm_norm") == std::string::npos ? replace_in(name, ".norm.", ".attn_norm.")
                                                      : name;
}

inline std::vector<std::int64_t> gguf_shape(const TensorSpec& spec, const Architecture& a) {
    if (a.family != Family::mamba2) return spec.shape;
    if (spec.name.ends_with("A_log") || spec.name.ends_with("mixer.D")) return {a.n_heads, 1};
    if (spec.name.ends_with("mixer.norm.weight")) return {a.n_groups, a.d_inner / a.n_groups};
    return spec.shape;
}

// The metadata of a model whose numbers are `a`.
inline GgufWriter gguf_metadata(const Architecture& a) {
    const std::string name = a.is_mamba1() ? "mamba" : "mamba2";
    GgufWriter out;
    out.text("general.architecture", name);
    out.text("general.name", "a model");
    out.u32(name + ".context_length", 1 << 20);
    out.u32(name + ".block_count", a.n_layers);
    out.u32(name + ".embedding_length", a.d_model);
    out.u32(name + ".ssm.conv_kernel", a.d_conv);
    out.u32(name + ".ssm.inner_size", a.d_inner);
    out.u32(name + ".ssm.state_size", a.d_state);
    out.u32(name + ".ssm.time_step_rank", a.is_mamba1() ? a.dt_rank : a.n_heads);
    if (a.family == Family::mamba2) out.u32(name + ".ssm.group_count", a.n_groups);
    out.f32(name + ".attention.layer_norm_rms_epsilon", a.norm_eps);
    if (a.is_mamba1()) out.boolean(name + ".ssm.dt_b_c_rms", a.family == Family::falcon_mamba);
    out.u32("tokenizer.ggml.eos_token_id", a.end_of_text);
    return out;
}

// The f32 values of a container's tensors, as a GGUF file has them. With `q8_0` the matrices whose
// rows have whole blocks are quantised, and `changed` gets what they stand for, by name.
inline std::string gguf_of(const Container& container, GgufWriter out, bool q8_0 = false,
                           std::vector<std::pair<std::string, std::vector<float>>>* changed = {}) {
    ThreadPool pool(1);
    const Architecture& a = container.architecture();
    for (const TensorSpec& spec : tensor_specs(a)) {
        const TensorEntry& entry = container.require(spec.name, spec.shape);
        std::vector<float> values = widen(container.read(entry, pool), entry.dtype);
        if (spec.name.ends_with("A_log")) {
            for (float& value : values) value = -std::exp(value);
        }
        if (q8_0 && spec.matrix && spec.shape[1] % 32 == 0) {
            const std::string bytes = quantised_q8_0(values);
            out.tensor(gguf_name(spec.name), gguf_shape(spec, a), 8, bytes);
            if (changed != nullptr) changed->emplace_back(spec.name, values);
        } else {
            out.tensor(gguf_name(spec.name), gguf_shape(spec, a), 0, bytes_of(values));
        }
    }
    return out.file();
}

}  // namespace sipo::writers
