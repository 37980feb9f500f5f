// The tokenizer: byte-level BPE as a Hugging Face tokenizer.json describes it, from text to token
// ids and back. This folder knows nothing of models; the session and the C ABI depend on it.
//   utf8, unicode, normalize   text: decoding, character classes, normalisation forms
//   pretokenize                text to words
//   byte_alphabet, bpe         words to ids
//   added_tokens               tokens that stand in the text itself
//   tokenizer_json             the file
//   tokenizer, text_stream     the whole, in this header
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/normalize.hpp"
#include "tokenizer/pretokenize.hpp"

namespace sipo {

struct TokenizerJson;

// Immutable, so any number of threads may share one.
class Tokenizer {
public:
    // Code::corrupt_file or Code::unsupported, naming what is wrong.
    [[nodiscard]] static Tokenizer from_json(std::string_view json);

    // The ids of a text, as Hugging Face's `encode(text, add_special_tokens=False)`: added and
    // special tokens in the text are recognised. What is not UTF-8 becomes U+FFFD, one for each
    // maximal invalid subpart. Where the Unicode versions differ (see kind_of and normalize), so
    // may the ids.
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view utf8) const;

    // The text of ids, as Hugging Face's `decode`: bytes that are not UTF-8, such as half a code
    // point, become U+FFFD. An id without text gives none: a model's embedding is often longer than
    // the vocabulary. Code::out_of_range for a negative id.
    [[nodiscard]] std::string decode(std::span<const std::int32_t> ids,
                                     bool skip_special = false) const;

    // One more than the highest id.
    [[nodiscard]] std::size_t size() const { return size_; }

    // By the content of an added token, or the spelling of another in the vocabulary ("\u0120the").
    [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view token_content) const;

    // The bytes of one id, which need not be UTF-8 by themselves. As long as the tokenizer lives.
    [[nodiscard]] std::string_view bytes_of(std::int32_t id, bool skip_special = false) const;

private:
    struct Token {
        std::string bytes;
        bool special = false;
    };

    explicit Tokenizer(TokenizerJson file);
    void build_tables(const TokenizerJson& file);
    void add_token(std::int32_t id, std::string_view content, bool special);
    void add_added_tokens(std::vector<AddedToken> added);
    [[nodiscard]] std::string normalized(std::string_view text) const;
    void encode_piece(std::string_view text, WordEncoder& words,
                      std::vector<std::int32_t>& ids) const;
    // Cuts by the rules from `rule` on, and encodes the words that come out.
    void encode_words(std::string_view text, std::size_t rule, WordEncoder& words,
                      std::vector<std::int32_t>& ids) const;

    std::vector<NormalForm> normal_forms_;
    bool add_prefix_space_;
    std::vector<CutRule> cuts_;
    AddedTokenMatcher raw_added_;         // sought in the text as given
    AddedTokenMatcher normalized_added_;  // sought in the rest, normalised
    BpeTables bpe_;
    StringMap<std::int32_t> ids_;
    std::unordered_map<std::int32_t, Token> tokens_;  // ids may have gaps
    std::size_t size_ = 0;
};

// Text from ids as they come. The pieces never split a code point, and joined they are what decode
// makes of all the ids. The tokenizer must outlive it.
class TextStream {
public:
    explicit TextStream(const Tokenizer& tokenizer, bool skip_special = false)
        : tokenizer_(&tokenizer), skip_special_(skip_special) {}

    // The text that is complete by now, perhaps none. Bytes become U+FFFD once nothing that follows
    // can make a code point of them.
    [[nodiscard]] std::string push(std::int32_t id);

    // What is left: nothing, or U+FFFD for a code point without an end. The stream is new
    // afterwards.
    [[nodiscard]] std::string finish();

private:
    const Tokenizer* tokenizer_;
    bool skip_special_;
    std::string pending_;  // the start of a code point
};

}  // namespace sipo
