// Hugging Face's config.json as the description of a Mamba model, both ways.
#pragma once

#include <string>
#include <string_view>

#include "base/dtype.hpp"
#include "base/json.hpp"
#include "format/architecture.hpp"

namespace sipo {

// `source` names the text in messages. Code::unsupported names a model type or setting this engine
// does not run, Code::corrupt_file a field that is missing or of the wrong type.
[[nodiscard]] Architecture parse_hf_config(std::string_view text, const std::string& source);

// A config that parse_hf_config() reads as `architecture` again, and transformers as the model.
// `weights`: the matrices' type.
[[nodiscard]] Json hf_config_of(const Architecture& architecture, DType weights);

}  // namespace sipo
