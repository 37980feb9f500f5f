// A dictionary of tensors as torch.save writes it: pytorch_model.bin.
//
// zip_archive reads the container, pickle the program in it, torch_file makes tensors of both.
#pragma once

#include <filesystem>

#include "import/source_tensor.hpp"

namespace sipo {

// Nothing in the file is executed. Tensors may share storages, start inside them and have strides.
// Code::unsupported names what is no tensor of float32, float16 or bfloat16, and the format from
// before torch 1.6; Code::corrupt_file what is wrong.
[[nodiscard]] SourceTensors open_torch_file(const std::filesystem::path& path);

}  // namespace sipo
