#include "import/gguf/gguf_tokenizer.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/quote.hpp"

namespace sipo {
namespace {

// "tokenizer.ggml.token_type"
constexpr std::int64_t control_token = 3;
constexpr std::int64_t user_defined_token = 4;
constexpr std::int64_t unused_token = 5;

// Names under which text is split by GPT-2's pattern.
bool splits_like_gpt2(std::string_view name) {
    static constexpr std::array names = {"default", "gpt-2", "mpt", "olmo", "gpt-neox"};
    return std::find(names.begin(), names.end(), name) != names.end();
}

// How the file's kind of tokenizer cuts text into words; nothing for a kind that is not read.
std::optional<Json> pre_tokenizer(std::string_view name) {
    const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
    if (splits_like_gpt2(name)) return byte_level;
    if (name != "falcon") return std::nullopt;
    return Json{{"type", "Sequence"},
                {"pretokenizers",
                 {{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                  byte_level,
                  {{"type", "Split"},
                   {"pattern", {{"Regex", "[0-9][0-9][0-9]"}}},
                   {"behavior", "Isolated"},
                   {"invert", false}}}}};
}

Json added_token(std::size_t id, const std::string& content, bool special) {
    return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
            {"rstrip", false}, {"normalized", false}, {"special", special}};
}

}  // namespace

std::string gguf_tokenizer_kind(const GgufFile& file) {
    return file.text("tokenizer.ggml.model", "none") + " / " +
           file.text("tokenizer.ggml.pre", "default");
}

std::optional<std::string> gguf_tokenizer(const GgufFile& file) {
    if (file.text("tokenizer.ggml.model", "none") != "gpt2") return std::nullopt;
    std::optional<Json> cuts = pre_tokenizer(file.text("tokenizer.ggml.pre", "default"));
    if (!cuts) return std::nullopt;
    const std::vector<std::string> tokens = file.texts("tokenizer.ggml.tokens");
    std::vector<std::int64_t> types;
    if (file.has("tokenizer.ggml.token_type")) types = file.integers("tokenizer.ggml.token_type");
    types.resize(tokens.size(), 1);
    Json vocabulary = Json::object();
    Json added = Json::array();
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        if (types[id] == unused_token) continue;  // padding, which no text has
        if (!vocabulary.emplace(tokens[id], id).second) {
            fail(Code::corrupt_file, file.source(), " has the token ", quote(tokens[id]), " twice");
        }
        if (types[id] == control_token || types[id] == user_defined_token) {
            added.push_back(added_token(id, tokens[id], types[id] == control_token));
        }
    }
    const Json tokenizer = {{"version", "1.0"},
                            {"added_tokens", std::move(added)},
                            {"normalizer", nullptr},
                            {"pre_tokenizer", *std::move(cuts)},
                            {"decoder", {{"type", "ByteLevel"}}},
                            {"model",
                             {{"type", "BPE"},
                              {"vocab", std::move(vocabulary)},
                              {"merges", file.texts("tokenizer.ggml.merges")}}}};
    return tokenizer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sipo
