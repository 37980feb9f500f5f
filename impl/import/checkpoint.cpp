#include "import/checkpoint.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "format/layout.hpp"
#include "import/config_fields.hpp"
#include "import/gguf/gguf_checkpoint.hpp"
#include "import/hf_config.hpp"
#include "import/mamba_ssm_config.hpp"
#include "import/tensor_files.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_config_bytes = std::size_t{1} << 20;

// The file's own name, also when the path was given as "." or with a slash at the end.
std::string name_of(const fs::path& path) {
    std::error_code ignored;
    return fs::canonical(path, ignored).filename().string();
}

std::string tokenizer_beside(const fs::path& directory) {
    const fs::path file = directory / "tokenizer.json";
    std::error_code ignored;
    if (!fs::exists(file, ignored)) {
        fail(Code::not_found, directory.string(), " has no tokenizer.json; name the one the model ",
             "was trained with (that of the public Mamba models is EleutherAI/gpt-neox-20b's)");
    }
    return read_text_file(file, max_blob_bytes);
}

// mamba_ssm and some exports call it so.
void rename_embedding(SourceTensors& tensors) {
    constexpr std::string_view wanted = "backbone.embeddings.weight";
    if (tensors.contains(wanted)) return;
    auto node = tensors.extract("backbone.embedding.weight");
    if (node.empty()) return;
    node.key() = wanted;
    tensors.insert(std::move(node));
}

std::string short_text(const JsonObject& object, const char* key) {
    constexpr std::size_t limit = 4096;
    std::string text = object.text(key);
    if (text.size() > limit) {
        fail(Code::corrupt_file, object.source(), ": \"", key, "\" has ", text.size(),
             " bytes; the limit is ", limit);
    }
    return text;
}

void read_exported_from(const std::string& text, const std::string& source,
                        Checkpoint& checkpoint) {
    const Json json = parse_config(text, source);
    const JsonObject config(json, source);
    if (!config.has(exported_from_key)) return;
    const JsonObject from = config.object(exported_from_key);
    checkpoint.name = short_text(from, "source");
    checkpoint.note = short_text(from, "note");
}

Checkpoint open_directory(const fs::path& directory, const std::optional<fs::path>& tokenizer) {
    const std::string source = (directory / "config.json").string();
    const std::string text = read_text_file(source, max_config_bytes);
    Checkpoint checkpoint;
    checkpoint.description = "config.json";
    checkpoint.name = name_of(directory);
    if (is_mamba_ssm_config(text, source)) {
        checkpoint.architecture = parse_mamba_ssm_config(text, source);
        checkpoint.note = "imported from a mamba_ssm checkpoint";
    } else {
        checkpoint.architecture = parse_hf_config(text, source);
        checkpoint.note = "imported from a Hugging Face checkpoint";
        read_exported_from(text, source, checkpoint);
    }
    checkpoint.tokenizer =
        tokenizer ? read_text_file(*tokenizer, max_blob_bytes) : tokenizer_beside(directory);
    checkpoint.tensors = open_tensor_files(directory);
    rename_embedding(checkpoint.tensors);
    return checkpoint;
}

}  // namespace

Checkpoint open_checkpoint(const fs::path& path, const std::optional<fs::path>& tokenizer) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) return open_directory(path, tokenizer);
    if (!fs::exists(path, ignored)) fail(Code::not_found, path.string(), " does not exist");
    return open_gguf(path, tokenizer);
}

}  // namespace sipo
