// The config.json of mamba_ssm, the models' original code, read as the description of a Mamba model.
#pragma once

#include <string>
#include <string_view>

#include "format/architecture.hpp"

namespace sipo {

// Whether it is one: it has "d_model" and no "model_type". Code::corrupt_file when it is no JSON.
[[nodiscard]] bool is_mamba_ssm_config(std::string_view text, const std::string& source);

// `source` names the text in messages. Code::unsupported names a setting this engine does not run,
// Code::corrupt_file a field that is missing or of the wrong type.
[[nodiscard]] Architecture parse_mamba_ssm_config(std::string_view text, const std::string& source);

}  // namespace sipo
