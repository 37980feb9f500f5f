// Writes a random checkpoint in Hugging Face layout: the shapes of a real model with plausible
// values, for tests of speed and loading. Usage: see `usage` below.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "format/architecture.hpp"

namespace {

namespace fs = std::filesystem;
using sipo::Architecture;
using sipo::DType;
using sipo::Family;
using sipo::TensorSpec;

constexpr const char* usage =
    "make_checkpoint OUT_DIR --tokenizer FILE (--preset NAME | --family mamba1|mamba2 --layers N\n"
    "  --d-model D) [--d-state N] [--head-dim P] [--groups G] [--vocab V] [--dtype f32|bf16]\n"
    "  [--seed S] [--untied]\n"
    "presets: mamba-130m, mamba-370m, mamba-790m, mamba-1.4b, mamba-2.8b, mamba2-130m\n";

struct Options {
    fs::path directory;
    fs::path tokenizer;
    Architecture architecture;
    DType dtype = DType::bf16;
    std::uint64_t seed = 1;
};

struct Preset {
    const char* name;
    Family family;
    std::int64_t layers;
    std::int64_t d_model;
    std::int64_t d_state;
    std::int64_t vocab;
};

constexpr Preset presets[] = {
    {"mamba-130m", Family::mamba1, 24, 768, 16, 50280},
    {"mamba-370m", Family::mamba1, 48, 1024, 16, 50280},
    {"mamba-790m", Family::mamba1, 48, 1536, 16, 50280},
    {"mamba-1.4b", Family::mamba1, 48, 2048, 16, 50280},
    {"mamba-2.8b", Family::mamba1, 64, 2560, 16, 50280},
    {"mamba2-130m", Family::mamba2, 24, 768, 128, 50288},
};

void apply_preset(const std::string& name, Architecture& a) {
    for (const Preset& preset : presets) {
        if (name != preset.name) continue;
        a.family = preset.family;
        a.n_layers = preset.layers;
        a.d_model = preset.d_model;
        a.d_state = preset.d_state;
        a.vocab_size = preset.vocab;
        return;
    }
    throw std::invalid_argument("no preset " + name);
}

// What follows from the sizes that were given.
void complete(Architecture& a) {
    a.d_inner = 2 * a.d_model;
    if (a.family == Family::mamba1) {
        if (a.d_state == 0) a.d_state = 16;
        a.dt_rank = (a.d_model + 15) / 16;
    } else {
        if (a.d_state == 0) a.d_state = 128;
        if (a.head_dim == 0) a.head_dim = 64;
        if (a.n_groups == 0) a.n_groups = 1;
        a.n_heads = a.d_inner / a.head_dim;
    }
    if (a.vocab_size == 0) a.vocab_size = 4096;
    sipo::validate(a);
}

void apply(const std::string& key, const std::string& value, Options& options) {
    Architecture& a = options.architecture;
    const std::map<std::string, std::int64_t*> sizes = {
        {"--layers", &a.n_layers},   {"--d-model", &a.d_model}, {"--d-state", &a.d_state},
        {"--head-dim", &a.head_dim}, {"--groups", &a.n_groups}, {"--vocab", &a.vocab_size}};
    if (const auto size = sizes.find(key); size != sizes.end()) {
        *size->second = std::stoll(value);
    } else if (key == "--preset") {
        apply_preset(value, a);
    } else if (key == "--family" && (value == "mamba1" || value == "mamba2")) {
        a.family = value == "mamba1" ? Family::mamba1 : Family::mamba2;
    } else if (key == "--dtype" && (value == "f32" || value == "bf16")) {
        options.dtype = value == "f32" ? DType::f32 : DType::bf16;
    } else if (key == "--seed") {
        options.seed = std::stoull(value);
    } else if (key == "--tokenizer") {
        options.tokenizer = value;
    } else {
        throw std::invalid_argument("cannot use " + key + " " + value);
    }
}

Options parse(const std::vector<std::string>& arguments) {
    Options options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--untied") {
            options.architecture.tied_head = false;
        } else if (!arguments[i].starts_with("--")) {
            options.directory = arguments[i];
        } else if (i + 1 < arguments.size()) {
            apply(arguments[i], arguments[i + 1], options);
            ++i;
        } else {
            throw std::invalid_argument(arguments[i] + " needs a value");
        }
    }
    if (options.directory.empty() || options.tokenizer.empty()) {
        throw std::invalid_argument("OUT_DIR and --tokenizer are needed");
    }
    complete(options.architecture);
    return options;
}

// SplitMix64 and the Box-Muller transform: the same numbers on every system.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    double uniform() {  // in (0, 1)
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        z ^= z >> 31;
        return (static_cast<double>(z >> 11) + 0.5) * 0x1p-53;
    }

    float normal(double deviation) {
        const double radius = std::sqrt(-2.0 * std::log(uniform()));
        return static_cast<float>(deviation * radius *
                                  std::cos(2.0 * std::numbers::pi * uniform()));
    }

private:
    std::uint64_t state_;
};

// The inverse of softplus, of a step drawn log-uniformly from [1e-3, 0.1]: as mamba_ssm initialises
// it.
float delta_bias(Random& random) {
    const double step =
        std::exp(random.uniform() * (std::log(0.1) - std::log(1e-3)) + std::log(1e-3));
    return static_cast<float>(step + std::log(-std::expm1(-step)));
}

std::vector<float> values_of(const TensorSpec& spec, const Architecture& a, Random& random) {
    std::size_t count = 1;
    for (const std::int64_t size : spec.shape) count *= static_cast<std::size_t>(size);
    std::vector<float> values(count);
    const auto fill = [&](auto&& next) {
        for (std::size_t i = 0; i < count; ++i) values[i] = next(i);
    };
    const auto ends_with = [&](const char* suffix) { return spec.name.ends_with(suffix); };
    if (ends_with("norm.weight") || ends_with("norm_f.weight") || ends_with(".D")) {
        fill([&](std::size_t) { return 1.0F + random.normal(0.1); });
    } else if (ends_with("A_log") && a.family == Family::mamba1) {
        fill([&](std::size_t i) {
            return std::log(static_cast<float>(i % static_cast<std::size_t>(a.d_state) + 1));
        });
    } else if (ends_with("A_log")) {
        fill([&](std::size_t) {
            return static_cast<float>(std::log(1.0 + 15.0 * random.uniform()));
        });
    } else if (ends_with("dt_proj.bias") || ends_with("dt_bias")) {
        fill([&](std::size_t) { return delta_bias(random); });
    } else if (ends_with("embeddings.weight")) {
        fill([&](std::size_t) { return random.normal(0.02); });
    } else {  // a matrix, the convolution, or a small bias
        const double fan_in = spec.shape.size() > 1 ? static_cast<double>(spec.shape[1]) : 1e4;
        fill([&](std::size_t) { return random.normal(1.0 / std::sqrt(fan_in)); });
    }
    return values;
}

std::vector<std::byte> encode(const std::vector<float>& values, DType dtype) {
    std::vector<std::byte> bytes(values.size() * sipo::dtype_size(dtype));
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (dtype == DType::f32) {
            std::memcpy(bytes.data() + 4 * i, &values[i], 4);
        } else {
            const std::uint16_t bits = sipo::float_to_bf16(values[i]);
            std::memcpy(bytes.data() + 2 * i, &bits, 2);
        }
    }
    return bytes;
}

// Matrices and convolutions take the chosen type, as in the public checkpoints; the rest is f32.
DType stored_type(const TensorSpec& spec, DType chosen) {
    return spec.matrix || spec.name.ends_with("conv1d.weight") ? chosen : DType::f32;
}

std::vector<std::int64_t> checkpoint_shape(const TensorSpec& spec) {
    if (!spec.name.ends_with("conv1d.weight")) return spec.shape;
    return {spec.shape[0], 1, spec.shape[1]};
}

void write_weights(const Options& options) {
    const std::vector<TensorSpec> specs = tensor_specs(options.architecture);
    nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
    std::size_t offset = 0;
    for (const TensorSpec& spec : specs) {
        const DType dtype = stored_type(spec, options.dtype);
        std::size_t bytes = sipo::dtype_size(dtype);
        for (const std::int64_t size : spec.shape) bytes *= static_cast<std::size_t>(size);
        header[spec.name] = {{"dtype", dtype == DType::f32 ? "F32" : "BF16"},
                             {"shape", checkpoint_shape(spec)},
                             {"data_offsets", {offset, offset + bytes}}};
        offset += bytes;
    }
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    const std::uint64_t length = text.size();
    sipo::AtomicFile file(options.directory / "model.safetensors");
    file.write(std::as_bytes(std::span(&length, 1)));
    file.write(std::as_bytes(std::span(text)));
    Random random(options.seed);
    for (const TensorSpec& spec : specs) {
        const auto values = values_of(spec, options.architecture, random);
        file.write(encode(values, stored_type(spec, options.dtype)));
    }
    file.commit();
}

void write_config(const Options& options) {
    const Architecture& a = options.architecture;
    nlohmann::json config = {{"model_type", a.family == Family::mamba1 ? "mamba" : "mamba2"},
                             {"vocab_size", a.vocab_size},
                             {"hidden_size", a.d_model},
                             {"state_size", a.d_state},
                             {"num_hidden_layers", a.n_layers},
                             {"expand", 2},
                             {"conv_kernel", a.d_conv},
                             {"use_bias", a.linear_bias},
                             {"use_conv_bias", a.conv_bias},
                             {"hidden_act", "silu"},
                             {"rms_norm", true},
                             {"layer_norm_epsilon", 1e-5},
                             {"tie_word_embeddings", a.tied_head},
                             {"eos_token_id", 0}};
    if (a.family == Family::mamba1) {
        config["time_step_rank"] = a.dt_rank;
    } else {
        config["num_heads"] = a.n_heads;
        config["head_dim"] = a.head_dim;
        config["n_groups"] = a.n_groups;
        config["norm_before_gate"] = false;
        config["time_step_limit"] = {0.0, 1e30};
    }
    std::ofstream(options.directory / "config.json") << config.dump(2) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const Options options = parse({argv + 1, argv + argc});
        fs::create_directories(options.directory);
        fs::copy_file(options.tokenizer, options.directory / "tokenizer.json",
                      fs::copy_options::overwrite_existing);
        write_config(options);
        write_weights(options);
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n' << usage;
        return 1;
    }
}
