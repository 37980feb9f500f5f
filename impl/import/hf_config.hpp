// Hugging Face's config.json, read as the description of a Mamba model.
#pragma once

#include <string>
#include <string_view>

#include "format/architecture.hpp"

namespace sipo {

// `source` names the text in messages. Code::unsupported names a model type or setting this engine
// does not run, Code::corrupt_file a field that is missing or of the wrong type.
[[nodiscard]] Architecture parse_hf_config(std::string_view text, const std::string& source);

}  // namespace sipo
