// The tensors of a checkpoint directory, whether they lie in one safetensors file or in shards.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "import/safetensors.hpp"

namespace sipo {

class CheckpointFiles {
public:
    // Takes model.safetensors when it is there, else the shards of model.safetensors.index.json.
    explicit CheckpointFiles(const std::filesystem::path& directory);

    // The tensors by name; an entry lives as long as this object.
    [[nodiscard]] const std::map<std::string, const SafetensorsEntry*, std::less<>>& tensors()
        const {
        return tensors_;
    }

private:
    void open_single(const std::filesystem::path& path);
    void open_shards(const std::filesystem::path& index);

    std::map<std::string, SafetensorsFile> files_;  // by file name
    std::map<std::string, const SafetensorsEntry*, std::less<>> tensors_;
};

}  // namespace sipo
