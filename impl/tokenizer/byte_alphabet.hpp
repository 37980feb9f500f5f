// GPT-2's alphabet: every byte has a printable character that stands for it in tokenizer.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sipo {

// The character, in UTF-8, that stands for a byte.
[[nodiscard]] std::string character_of_byte(unsigned char byte);

// The bytes that `token` stands for, or nothing if a character of it stands for none.
[[nodiscard]] std::optional<std::string> bytes_of_token(std::string_view token);

}  // namespace sipo
