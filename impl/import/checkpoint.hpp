// A checkpoint as the importer sees it, whatever layout it has on disk.
//
// What to touch for the next one: a format of weights is a folder or file that yields SourceTensors
// and a line in tensor_files.cpp; a layout that describes the model in its own way (hf_config,
// mamba_ssm_config, gguf/) is a function that yields a Checkpoint and a line in open_checkpoint().
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "format/architecture.hpp"
#include "import/source_tensor.hpp"

namespace sipo {

// Where an exported config.json says what the container was made from, so that importing it gives
// that container again.
inline constexpr const char* exported_from_key = "sipo_exported_from";

struct Checkpoint {
    Architecture architecture;
    SourceTensors tensors;    // under the names of tensor_specs()
    std::string tokenizer;    // tokenizer.json
    std::string description;  // what the architecture was read from, for messages: "config.json"
    std::string name;         // of the model, for people
    std::string note;         // "imported from ..."
};

// `path`: a directory of Hugging Face's or of mamba_ssm's layout, or a GGUF file. `tokenizer`: a
// tokenizer.json to take instead of the checkpoint's own. Code::unsupported names a model or setting
// that the engine does not run; Code::corrupt_file what is wrong with which file; Code::not_found
// the missing one.
[[nodiscard]] Checkpoint open_checkpoint(const std::filesystem::path& path,
                                         const std::optional<std::filesystem::path>& tokenizer);

}  // namespace sipo
