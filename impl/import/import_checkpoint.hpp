// Turns a checkpoint of any layout into a .sipo container.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/dtype.hpp"
#include "base/progress.hpp"
#include "format/container_writer.hpp"

namespace sipo {

struct ImportOptions {
    // Type of the matrices: f32, bf16, q8 or q4; other tensors follow stored_type(). When not
    // given: f32 if a matrix of the checkpoint is f32, else bf16.
    std::optional<DType> weights = {};
    Store store = Store::zstd;
    int threads = 1;
    // Tokens a sequence of the training had. Goes before config.json's training_length, which no
    // public checkpoint has.
    std::optional<std::int64_t> training_length = {};
    // A tokenizer.json to take instead of the checkpoint's.
    std::optional<std::filesystem::path> tokenizer = {};
};

// Reads the checkpoint at `path` (see open_checkpoint()) and writes `out`. Progress counts tensor
// bytes of the checkpoint. On any error, `out` is as it was before. Code::unsupported names a model
// or setting this engine does not run; Code::corrupt_file names the tensor or field at fault;
// Code::not_found the missing file.
void import_checkpoint(const std::filesystem::path& path, const std::filesystem::path& out,
                       const ImportOptions& options, const ProgressFn& progress = {});

}  // namespace sipo
