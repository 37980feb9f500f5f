// Writes a random checkpoint in Hugging Face layout: the shapes of a real model with plausible
// values, for tests of speed and loading. Usage: see `usage` below.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/cpu_count.hpp"
#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "format/architecture.hpp"
#include "import/presets.hpp"

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
    "presets: those of sipo bench --preset\n";

struct Options {
    fs::path directory;
    fs::path tokenizer;
    Architecture architecture;
    DType dtype = DType::bf16;
    std::uint64_t seed = 1;
};

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
        a = sipo::preset_architecture(value);
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
DType checkpoint_type(const TensorSpec& spec, DType chosen) {
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
        const DType dtype = checkpoint_type(spec, options.dtype);
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
    sipo::ThreadPool pool(sipo::usable_cpus());
    sipo::AtomicFile file(options.directory / "model.safetensors");
    file.write(std::as_bytes(std::span(&length, 1)));
    file.write(std::as_bytes(std::span(text)));
    for (const TensorSpec& spec : specs) {
        const auto values = sipo::random_tensor(spec, options.architecture, options.seed, pool);
        file.write(encode(values, checkpoint_type(spec, options.dtype)));
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
