// What a Hugging Face tokenizer.json says, checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/normalize.hpp"
#include "tokenizer/pretokenize.hpp"

namespace sipo {

struct TokenizerJson {
    std::vector<NormalForm> normal_forms;  // applied one after the other
    bool add_prefix_space = false;
    std::vector<CutRule> cuts;  // of text into words, one after the other
    bool ignore_merges = false;
    StringMap<std::int32_t> vocabulary;                       // tokens in the byte alphabet
    std::vector<std::pair<std::string, std::string>> merges;  // in order of rank
    std::vector<AddedToken> added_tokens;
};

// Reads a byte-level BPE tokenizer. Code::corrupt_file if `json` is not a tokenizer.json, and
// Code::unsupported if it asks for something else than this tokenizer does.
// `post_processor`, `truncation` and `padding` are not looked at: they concern special tokens
// around a text and batches, neither of which is encode's business.
[[nodiscard]] TokenizerJson parse_tokenizer_json(std::string_view json);

}  // namespace sipo
