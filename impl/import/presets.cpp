#include "import/presets.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "import/quantize.hpp"

namespace sipo {
namespace {

struct Preset {
    std::string_view name;
    Family family;
    std::int64_t n_layers;
    std::int64_t d_model;
    std::int64_t vocab_size;
};

// Padded vocabularies: to a multiple of 8 in the public Mamba-1 models, of 16 in Mamba-2.
constexpr std::array presets{
    Preset{"mamba-130m", Family::mamba1, 24, 768, 50280},
    Preset{"mamba-370m", Family::mamba1, 48, 1024, 50280},
    Preset{"mamba-790m", Family::mamba1, 48, 1536, 50280},
    Preset{"mamba-1.4b", Family::mamba1, 48, 2048, 50280},
    Preset{"mamba-2.8b", Family::mamba1, 64, 2560, 50280},
    Preset{"mamba2-130m", Family::mamba2, 24, 768, 50288},
    Preset{"mamba2-370m", Family::mamba2, 48, 1024, 50288},
    Preset{"mamba2-780m", Family::mamba2, 48, 1536, 50288},
    Preset{"mamba2-1.3b", Family::mamba2, 48, 2048, 50288},
    Preset{"mamba2-2.7b", Family::mamba2, 64, 2560, 50288},
};

const Preset& find_preset(std::string_view name) {
    std::string names;
    for (const Preset& preset : presets) {
        if (preset.name == name) return preset;
        names.append(names.empty() ? "" : ", ").append(preset.name);
    }
    fail(Code::not_found, "no preset '", name, "'; there are ", names);
}

// FNV-1a: tensors of one seed must differ.
std::uint64_t hash_of(std::string_view name) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return hash;
}

// Softplus of it is log-uniform in [1e-3, 0.1], as mamba_ssm initialises Δ.
float delta_bias(SplitMix64& random) {
    const double delta = std::exp(std::log(1e-3) + random.uniform() * std::log(100.0));
    return static_cast<float>(delta + std::log(-std::expm1(-delta)));
}

// Calls fn(first, last) for parts of 0 .. count - 1 on all threads.
template <typename Fn>
void for_parts(ThreadPool& pool, std::size_t count, const Fn& fn) {
    constexpr std::size_t part = std::size_t{1} << 18;
    pool.run((count + part - 1) / part,
             [&](std::size_t task) { fn(task * part, std::min(count, (task + 1) * part)); });
}

// Uniform around 0 with the wanted deviation: the cheapest numbers there are.
void fill_uniform(std::span<float> values, double deviation, const SplitMix64& random,
                  ThreadPool& pool) {
    const double width = deviation * std::sqrt(12.0);
    for_parts(pool, values.size(), [&](std::size_t first, std::size_t last) {
        SplitMix64 own = random;
        own.skip(first);
        for (std::size_t i = first; i < last; ++i) {
            values[i] = static_cast<float>((own.uniform() - 0.5) * width);
        }
    });
}

std::vector<std::byte> encode(std::span<const float> values, DType type, ThreadPool& pool) {
    const auto bytes = std::as_bytes(values);
    if (type != DType::bf16) return {bytes.begin(), bytes.end()};
    std::vector<std::byte> result(values.size() * 2);
    auto* bits = reinterpret_cast<std::uint16_t*>(result.data());
    for_parts(pool, values.size(), [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) bits[i] = float_to_bf16(values[i]);
    });
    return result;
}

}  // namespace

std::string byte_tokenizer() {
    nlohmann::json vocab = nlohmann::json::object();
    int next_shifted = 256;
    for (int byte = 0; byte < 256; ++byte) {
        const bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        const int point = printable ? byte : next_shifted++;
        std::string text;
        if (point < 128) {
            text = {static_cast<char>(point)};
        } else {
            text = {static_cast<char>(0xc0 | point >> 6), static_cast<char>(0x80 | (point & 63))};
        }
        vocab[text] = byte;
    }
    const nlohmann::json tokenizer = {
        {"version", "1.0"},
        {"added_tokens", nlohmann::json::array()},
        {"normalizer", nullptr},
        {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
        {"decoder", {{"type", "ByteLevel"}}},
        {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}}};
    return tokenizer.dump();
}

Architecture preset_architecture(std::string_view name) {
    const Preset& preset = find_preset(name);
    Architecture arch;
    arch.family = preset.family;
    arch.n_layers = preset.n_layers;
    arch.d_model = preset.d_model;
    arch.d_inner = 2 * preset.d_model;
    arch.vocab_size = preset.vocab_size;
    if (preset.family == Family::mamba1) {
        arch.d_state = 16;
        arch.dt_rank = (preset.d_model + 15) / 16;
    } else {
        arch.d_state = 128;
        arch.head_dim = 64;
        arch.n_heads = arch.d_inner / arch.head_dim;
        arch.n_groups = 1;
    }
    return arch;
}

std::vector<float> random_tensor(const TensorSpec& spec, const Architecture& architecture,
                                 std::uint64_t seed, ThreadPool& pool) {
    SplitMix64 random(seed ^ hash_of(spec.name));
    std::size_t count = 1;
    for (const std::int64_t size : spec.shape) count *= static_cast<std::size_t>(size);
    std::vector<float> values(count);
    const auto ends_with = [&](std::string_view suffix) { return spec.name.ends_with(suffix); };
    if (ends_with("norm.weight") || ends_with("norm_f.weight") || ends_with(".D")) {
        values.assign(count, 1.0F);
    } else if (ends_with("A_log") && architecture.family == Family::mamba1) {
        const auto states = static_cast<std::size_t>(architecture.d_state);
        for (std::size_t i = 0; i < count; ++i)
            values[i] = std::log(static_cast<float>(i % states + 1));
    } else if (ends_with("A_log")) {
        for (float& value : values)
            value = static_cast<float>(std::log(1.0 + 15.0 * random.uniform()));
    } else if (ends_with("dt_proj.bias") || ends_with("dt_bias")) {
        for (float& value : values) value = delta_bias(random);
    } else {
        const double inputs = spec.shape.size() > 1 ? static_cast<double>(spec.shape[1]) : 1e4;
        const double deviation = ends_with("embeddings.weight") ? 0.02 : 1.0 / std::sqrt(inputs);
        fill_uniform(values, deviation, random, pool);
    }
    return values;
}

void write_preset(std::string_view preset, const std::filesystem::path& out,
                  const ImportOptions& options, const ProgressFn& progress) {
    const Architecture arch = preset_architecture(preset);
    const DType weights = options.weights.value_or(DType::bf16);
    constexpr std::uint64_t seed = 1;
    ThreadPool pool(options.threads);
    ContainerWriter writer(out, {.store = options.store, .threads = options.threads});
    writer.set_architecture(arch);
    writer.set_provenance({.source = std::string(preset),
                           .importer = "sipo " SIPO_VERSION,
                           .note = "random weights in the shape of a public model"});
    writer.set_tokenizer(byte_tokenizer());
    const std::vector<TensorSpec> specs = tensor_specs(arch);
    for (std::size_t i = 0; i < specs.size(); ++i) {
        const DType type = stored_type(specs[i], weights);
        add_weights(writer, specs[i], type,
                    encode(random_tensor(specs[i], arch, seed, pool), type, pool), arch, pool);
        report(progress, i + 1, specs.size());
    }
    writer.commit();
}

}  // namespace sipo
