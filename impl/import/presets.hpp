// The shapes of the public models, with random weights: for measuring speed without a checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.hpp"
#include "base/thread_pool.hpp"
#include "format/container_writer.hpp"
#include "import/import_checkpoint.hpp"

namespace sipo {

// Throws Code::not_found naming the presets there are.
[[nodiscard]] Architecture preset_architecture(std::string_view name);

// Plausible values for a tensor: matrices of variance 1 / inputs, A and Δ's bias as they are
// initialised for training. The same for the same name and seed, whatever the pool.
[[nodiscard]] std::vector<float> random_tensor(const TensorSpec& spec,
                                               const Architecture& architecture, std::uint64_t seed,
                                               ThreadPool& pool);

// The tokenizer.json of one token for each byte.
[[nodiscard]] std::string byte_tokenizer();

// Writes a container in the preset's shape with random weights and a tokenizer of the 256 bytes.
void write_preset(std::string_view preset, const std::filesystem::path& out,
                  const ImportOptions& options, const ProgressFn& progress = {});

}  // namespace sipo
