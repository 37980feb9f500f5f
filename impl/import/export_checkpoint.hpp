// Turns a .sipo container back into a checkpoint directory of Hugging Face's layout.
#pragma once

#include <filesystem>

#include "base/progress.hpp"

namespace sipo {

// Writes model.safetensors, tokenizer.json and, last, config.json to `directory`, which is made or
// must be empty. Matrices keep their type, f32 or bf16; the rest is f32. Importing it gives the
// bytes of `model` again where that was imported with the same options, but for calibration
// profiles, for which the layout has no place. Progress counts tensor bytes.
// Code::unsupported for quantised weights; Code::invalid_argument for a directory that holds
// something.
void export_checkpoint(const std::filesystem::path& model, const std::filesystem::path& directory,
                       int threads, const ProgressFn& progress = {});

}  // namespace sipo
