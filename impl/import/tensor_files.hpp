// The tensors of a checkpoint directory, in whichever format and in one file or in shards.
#pragma once

#include <filesystem>

#include "import/source_tensor.hpp"

namespace sipo {

// Takes the first that is there of: model.safetensors, the shards of model.safetensors.index.json,
// pytorch_model.bin, the shards of pytorch_model.bin.index.json.
[[nodiscard]] SourceTensors open_tensor_files(const std::filesystem::path& directory);

}  // namespace sipo
