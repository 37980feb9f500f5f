#include "import/checkpoint_files.hpp"

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/quote.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_index_bytes = std::size_t{64} << 20;
constexpr std::size_t max_shards = 4096;

// An index may name files of its own directory only.
void check_file_name(const std::string& name, const std::string& source) {
    const bool plain = !name.empty() && name != "." && name.find("..") == std::string::npos &&
                       name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
    if (!plain) {
        fail(Code::corrupt_file, source, ": ", quote(name), " is not the name of a file beside it");
    }
}

[[noreturn]] void no_weights(const fs::path& directory) {
    std::error_code ignored;
    const bool pickled = fs::exists(directory / "pytorch_model.bin", ignored);
    fail(Code::not_found, directory.string(),
         " has neither model.safetensors nor model.safetensors.index.json",
         pickled ? "; pytorch_model.bin is not read: save the model as safetensors first" : "");
}

}  // namespace

CheckpointFiles::CheckpointFiles(const fs::path& directory) {
    std::error_code ignored;
    const fs::path single = directory / "model.safetensors";
    const fs::path index = directory / "model.safetensors.index.json";
    if (fs::exists(single, ignored)) {
        open_single(single);
    } else if (fs::exists(index, ignored)) {
        open_shards(index);
    } else {
        no_weights(directory);
    }
}

void CheckpointFiles::open_single(const fs::path& path) {
    const SafetensorsFile& file = files_.emplace(path.filename().string(), path).first->second;
    for (const auto& [name, entry] : file.entries()) tensors_.emplace(name, &entry);
}

void CheckpointFiles::open_shards(const fs::path& index) {
    const std::string source = index.string();
    const Json json = parse_json(read_text_file(index, max_index_bytes), source);
    const JsonObject weight_map = JsonObject(json, source).object("weight_map");
    for (const auto& item : weight_map.value().items()) {
        const std::string name = weight_map.text(item.key());
        check_file_name(name, source);
        if (files_.size() >= max_shards && !files_.contains(name)) {
            fail(Code::unsupported, source, " names more than ", max_shards, " files");
        }
        const SafetensorsFile& file =
            files_.try_emplace(name, index.parent_path() / name).first->second;
        const auto entry = file.entries().find(item.key());
        if (entry == file.entries().end()) {
            fail(Code::corrupt_file, source, ": ", quote(name), " does not hold the tensor ",
                 quote(item.key()));
        }
        tensors_.emplace(item.key(), &entry->second);
    }
}

}  // namespace sipo
