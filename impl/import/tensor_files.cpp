#include "import/tensor_files.hpp"

#include <array>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/quote.hpp"
#include "import/safetensors.hpp"
#include "import/torch_bin/torch_file.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_index_bytes = std::size_t{64} << 20;
constexpr std::size_t max_shards = 4096;

using OpenFile = SourceTensors (*)(const fs::path&);

struct Format {
    const char* whole;
    const char* index;  // of shards
    OpenFile open;
};

// In order of preference.
constexpr std::array formats{
    Format{"model.safetensors", "model.safetensors.index.json", &open_safetensors},
    Format{"pytorch_model.bin", "pytorch_model.bin.index.json", &open_torch_file},
};

// An index may name files of its own directory only.
void check_file_name(const std::string& name, const std::string& source) {
    const bool plain = !name.empty() && name != "." && name.find("..") == std::string::npos &&
                       name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
    if (!plain) {
        fail(Code::corrupt_file, source, ": ", quote(name), " is not the name of a file beside it");
    }
}

SourceTensors open_shards(const fs::path& index, OpenFile open) {
    const std::string source = index.string();
    const Json json = parse_json(read_text_file(index, max_index_bytes), source);
    const JsonObject weight_map = JsonObject(json, source).object("weight_map");
    std::map<std::string, SourceTensors> files;
    SourceTensors tensors;
    for (const auto& item : weight_map.value().items()) {
        const std::string name = weight_map.text(item.key());
        check_file_name(name, source);
        if (!files.contains(name)) {
            if (files.size() >= max_shards) {
                fail(Code::unsupported, source, " names more than ", max_shards, " files");
            }
            files.emplace(name, open(index.parent_path() / name));
        }
        const SourceTensors& file = files.at(name);
        const auto entry = file.find(item.key());
        if (entry == file.end()) {
            fail(Code::corrupt_file, source, ": ", quote(name), " does not hold the tensor ",
                 quote(item.key()));
        }
        tensors.insert(*entry);
    }
    return tensors;
}

}  // namespace

SourceTensors open_tensor_files(const fs::path& directory) {
    std::error_code ignored;
    std::string names;
    for (const Format& format : formats) {
        if (fs::exists(directory / format.whole, ignored)) {
            return format.open(directory / format.whole);
        }
        if (fs::exists(directory / format.index, ignored)) {
            return open_shards(directory / format.index, format.open);
        }
        for (const char* name : {format.whole, format.index}) {
            names.append(names.empty() ? "" : ", ").append(name);
        }
    }
    fail(Code::not_found, directory.string(), " has no weights: none of ", names);
}

}  // namespace sipo
