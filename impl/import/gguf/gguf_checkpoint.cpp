#include "import/gguf/gguf_checkpoint.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/quote.hpp"
#include "format/layout.hpp"
#include "import/config_fields.hpp"
#include "import/gguf/gguf_file.hpp"
#include "import/gguf/gguf_tokenizer.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;
using File = std::shared_ptr<const GgufFile>;

constexpr std::string_view a_name = "ssm_a";

struct Name {
    std::string_view here;
    std::string_view wanted;
};

constexpr std::array model_names = {
    Name{"token_embd.weight", "backbone.embeddings.weight"},
    Name{"output_norm.weight", "backbone.norm_f.weight"},
    Name{"output.weight", "lm_head.weight"},
};

constexpr std::array layer_names = {
    Name{"attn_norm.weight", "norm.weight"},
    Name{"ssm_in.weight", "mixer.in_proj.weight"},
    Name{"ssm_conv1d.weight", "mixer.conv1d.weight"},
    Name{"ssm_conv1d.bias", "mixer.conv1d.bias"},
    Name{"ssm_x.weight", "mixer.x_proj.weight"},
    Name{"ssm_dt.weight", "mixer.dt_proj.weight"},
    Name{"ssm_dt.bias", "mixer.dt_proj.bias"},
    Name{a_name, "mixer.A_log"},
    Name{"ssm_d", "mixer.D"},
    Name{"ssm_norm.weight", "mixer.norm.weight"},
    Name{"ssm_out.weight", "mixer.out_proj.weight"},
};

// "blk.12.ssm_in.weight" in two.
struct LayerName {
    std::string_view index;
    std::string_view name;
};

std::optional<LayerName> split_layer(std::string_view name) {
    if (!name.starts_with("blk.")) return std::nullopt;
    name.remove_prefix(4);
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    return LayerName{name.substr(0, dot), name.substr(dot + 1)};
}

// A name that is none of them stays, so that a message can name it.
std::string wanted_name(const std::string& name, Family family) {
    for (const Name& known : model_names) {
        if (name == known.here) return std::string(known.wanted);
    }
    const auto layer = split_layer(name);
    if (!layer) return name;
    for (const Name& known : layer_names) {
        if (layer->name != known.here) continue;
        std::string_view wanted = known.wanted;
        if (family == Family::mamba2 && wanted == "mixer.dt_proj.bias") wanted = "mixer.dt_bias";
        return join("backbone.layers.", layer->index, '.', wanted);
    }
    return name;
}

// Mamba-2's A and D have a dimension of one more, its norm a row for each group.
std::vector<std::int64_t> wanted_shape(std::string_view wanted,
                                       const std::vector<std::int64_t>& shape, Family family) {
    const bool flat = wanted.ends_with("mixer.A_log") || wanted.ends_with("mixer.D") ||
                      wanted.ends_with("mixer.norm.weight");
    if (family != Family::mamba2 || !flat) return shape;
    std::int64_t elements = 1;
    for (const std::int64_t size : shape) elements *= size;
    return {elements};
}

std::span<const std::byte> keep(const std::vector<float>& values, std::vector<std::byte>& room) {
    const auto bytes = std::as_bytes(std::span(values));
    room.assign(bytes.begin(), bytes.end());
    return room;
}

// What lies there is A = -exp(A_log).
std::vector<float> log_of_a(const GgufTensor& tensor, const std::string& name) {
    std::vector<float> values(tensor.data.size() / sizeof(float));
    if (values.empty()) return values;
    std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
    for (float& value : values) {
        if (!(value < 0.0F)) {
            fail(Code::corrupt_file, "tensor ", quote(name), " has the value ", value,
                 "; A is negative");
        }
        value = static_cast<float>(std::log(-static_cast<double>(value)));
    }
    return values;
}

SourceTensor source_tensor(const File& file, const std::string& name, const std::string& wanted,
                           Family family) {
    const GgufTensor& tensor = file->tensors().find(name)->second;
    const GgmlType& type = *tensor.type;
    SourceTensor source{.dtype = type.name,
                        .elements = type.plain.value_or(DType::f32),
                        .shape = wanted_shape(wanted, tensor.shape, family),
                        .file_bytes = tensor.data.size(),
                        .read = {}};
    if (wanted.ends_with("mixer.A_log")) {
        if (type.plain != DType::f32) source.elements.reset();
        source.read = [file, &tensor, name](auto& room) {
            return keep(log_of_a(tensor, name), room);
        };
    } else if (type.plain) {
        source.read = [file, &tensor](auto&) { return tensor.data; };
    } else {
        source.read = [file, &tensor](auto& room) {
            return keep(dequantize(*tensor.type, tensor.data), room);
        };
    }
    return source;
}

Family family_of(const GgufFile& file, const std::string& name) {
    if (name == "mamba2") return Family::mamba2;
    if (name == "mamba") {
        return file.boolean("mamba.ssm.dt_b_c_rms", false) ? Family::falcon_mamba : Family::mamba1;
    }
    fail(Code::unsupported, file.source(), R"(: "general.architecture" is )", quote(name),
         R"(; this engine runs "mamba" and "mamba2")");
}

Architecture read_architecture(const GgufFile& file) {
    const std::string name = file.text("general.architecture");
    const auto key = [&name](const char* rest) { return name + '.' + rest; };
    const auto& tensors = file.tensors();
    Architecture a;
    a.family = family_of(file, name);
    a.n_layers = file.integer(key("block_count"));
    a.d_model = file.integer(key("embedding_length"));
    a.d_inner = file.integer(key("ssm.inner_size"));
    a.d_state = file.integer(key("ssm.state_size"));
    a.d_conv = file.integer(key("ssm.conv_kernel"));
    a.norm_eps = static_cast<float>(file.number(key("attention.layer_norm_rms_epsilon")));
    const std::int64_t rank = file.integer(key("ssm.time_step_rank"));
    if (a.family == Family::mamba2) {
        a.n_heads = rank;  // that is where they are kept
        a.head_dim = rank < 1 ? 0 : a.d_inner / rank;
        a.n_groups = file.integer(key("ssm.group_count"));
    } else {
        a.dt_rank = rank;
    }
    if (a.family == Family::falcon_mamba) a.mixer_rms_eps = a.norm_eps;
    const auto embedding = tensors.find("token_embd.weight");
    if (embedding == tensors.end() || embedding->second.shape.empty()) {
        fail(Code::corrupt_file, file.source(), " has no tensor \"token_embd.weight\"");
    }
    a.vocab_size = embedding->second.shape.front();
    a.tied_head = !tensors.contains("output.weight");
    a.conv_bias = tensors.contains("blk.0.ssm_conv1d.bias");
    const std::int64_t end = file.integer("tokenizer.ggml.eos_token_id", 0);
    if (end < 0 || end > INT32_MAX) {
        fail(Code::corrupt_file, file.source(), R"(: "tokenizer.ggml.eos_token_id" is )", end);
    }
    a.end_of_text = static_cast<std::int32_t>(end);
    validate_config(a, file.source());
    return a;
}

std::string find_tokenizer(const GgufFile& file, const fs::path& path,
                           const std::optional<fs::path>& given) {
    if (given) return read_text_file(*given, max_blob_bytes);
    if (const auto own = gguf_tokenizer(file)) return *own;
    const fs::path beside = path.parent_path() / "tokenizer.json";
    std::error_code ignored;
    if (fs::exists(beside, ignored)) return read_text_file(beside, max_blob_bytes);
    fail(Code::unsupported, file.source(), " has a tokenizer of the kind ",
         quote(gguf_tokenizer_kind(file)),
         ", which is not read; name the tokenizer.json that the model was trained with");
}

}  // namespace

Checkpoint open_gguf(const fs::path& path, const std::optional<fs::path>& tokenizer) {
    const auto file = std::make_shared<const GgufFile>(path);
    Checkpoint checkpoint;
    checkpoint.architecture = read_architecture(*file);
    checkpoint.description = "GGUF file's metadata";
    checkpoint.name = file->text("general.name", path.stem().string());
    checkpoint.note = "imported from a GGUF file";
    checkpoint.tokenizer = find_tokenizer(*file, path, tokenizer);
    const Family family = checkpoint.architecture.family;
    for (const auto& [name, tensor] : file->tensors()) {
        const std::string wanted = wanted_name(name, family);
        checkpoint.tensors.emplace(wanted, source_tensor(file, name, wanted, family));
    }
    return checkpoint;
}

}  // namespace sipo
