// A GGUF file of llama.cpp's architectures "mamba" and "mamba2" as a checkpoint.
//
// gguf_file reads the file, gguf_blocks the quantised types, gguf_tokenizer the vocabulary in it;
// here its names, shapes and conventions become those of the other layouts.
#pragma once

#include <filesystem>
#include <optional>

#include "import/checkpoint.hpp"

namespace sipo {

// Quantised tensors are read as f32. `tokenizer` goes before the file's own, which is read where it
// is a byte-level BPE; a tokenizer.json beside the file is taken where it is not. Two settings are
// not in the format: limits of Δ, which count as none, and FalconMamba's own eps, for which the eps
// of its other norms stands, as in llama.cpp.
[[nodiscard]] Checkpoint open_gguf(const std::filesystem::path& path,
                                   const std::optional<std::filesystem::path>& tokenizer);

}  // namespace sipo
