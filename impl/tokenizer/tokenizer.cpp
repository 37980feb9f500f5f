#include "tokenizer/tokenizer.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/quote.hpp"
#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/pretokenize.hpp"
#include "tokenizer/tokenizer_json.hpp"
#include "tokenizer/utf8.hpp"

namespace sipo {
namespace {

std::int32_t known_id(const StringMap<std::int32_t>& vocabulary, const std::string& token,
                      const char* role) {
    const auto found = vocabulary.find(token);
    if (found == vocabulary.end()) {
        fail(Code::corrupt_file, "the vocabulary lacks ", quote(token), ", ", role);
    }
    return found->second;
}

// GPT-NeoX's vocabulary lacks the others, and encode never meets them.
constexpr bool occurs_in_utf8(unsigned byte) { return byte < 0xc0 || (byte > 0xc1 && byte < 0xf5); }

}  // namespace

Tokenizer Tokenizer::from_json(std::string_view json) {
    return Tokenizer(parse_tokenizer_json(json));
}

Tokenizer::Tokenizer(TokenizerJson file)
    : normal_forms_(std::move(file.normal_forms)),
      add_prefix_space_(file.add_prefix_space),
      cuts_(std::move(file.cuts)) {
    build_tables(file);
    for (const auto& [content, id] : file.vocabulary) add_token(id, content, false);
    ids_ = std::move(file.vocabulary);
    add_added_tokens(std::move(file.added_tokens));
}

void Tokenizer::build_tables(const TokenizerJson& file) {
    for (unsigned byte = 0; byte < bpe_.byte_ids.size(); ++byte) {
        if (!occurs_in_utf8(byte)) continue;
        const std::string token = character_of_byte(static_cast<unsigned char>(byte));
        bpe_.byte_ids[byte] = known_id(file.vocabulary, token, "which stands for a byte");
    }
    std::int32_t rank = 0;
    for (const auto& [left, right] : file.merges) {
        const std::int32_t left_id = known_id(file.vocabulary, left, "which a merge names");
        const std::int32_t right_id = known_id(file.vocabulary, right, "which a merge names");
        const std::int32_t id = known_id(file.vocabulary, left + right, "which a merge makes");
        // Of a pair that is there twice, Hugging Face keeps the latter.
        bpe_.merges[BpeTables::pair_of(left_id, right_id)] = {rank++, id};
    }
    if (!file.ignore_merges) return;
    for (const auto& [token, id] : file.vocabulary) {
        if (auto bytes = bytes_of_token(token)) bpe_.whole_words.emplace(*std::move(bytes), id);
    }
}

// A token whose characters all stand for bytes is those bytes, any other its own text: so does
// Hugging Face's decoder, for added tokens too.
void Tokenizer::add_token(std::int32_t id, std::string_view content, bool special) {
    tokens_[id] = {bytes_of_token(content).value_or(std::string(content)), special};
    size_ = std::max(size_, static_cast<std::size_t>(id) + 1);
}

void Tokenizer::add_added_tokens(std::vector<AddedToken> added) {
    for (AddedToken& token : added) {
        const std::string pattern = token.normalized ? normalized(token.content) : token.content;
        add_token(token.id, pattern, token.special);
        ids_.emplace(token.content, token.id);
        AddedTokenMatcher& matcher = token.normalized ? normalized_added_ : raw_added_;
        if (!matcher.add(pattern, std::move(token))) {
            fail(Code::corrupt_file, "two added tokens are ", quote(pattern), " once normalised");
        }
    }
}

std::string Tokenizer::normalized(std::string_view text) const {
    std::string out(text);
    for (const NormalForm form : normal_forms_) out = normalize(out, form);
    return out;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view utf8) const {
    const std::string text = replace_invalid(utf8);
    WordEncoder words(bpe_);
    std::vector<std::int32_t> ids;
    for (const auto& piece : raw_added_.split(text)) {
        if (piece.token == nullptr) {
            encode_piece(piece.text, words, ids);
        } else {
            ids.push_back(piece.token->id);
        }
    }
    return ids;
}

void Tokenizer::encode_piece(std::string_view text, WordEncoder& words,
                             std::vector<std::int32_t>& ids) const {
    const std::string normal = normalized(text);
    for (const auto& piece : normalized_added_.split(normal)) {
        if (piece.token != nullptr) {
            ids.push_back(piece.token->id);
        } else if (add_prefix_space_ && !piece.text.starts_with(' ')) {
            encode_words(' ' + std::string(piece.text), 0, words, ids);
        } else {
            encode_words(piece.text, 0, words, ids);
        }
    }
}

void Tokenizer::encode_words(std::string_view text, std::size_t rule, WordEncoder& words,
                             std::vector<std::int32_t>& ids) const {
    if (rule == cuts_.size()) return words.append(text, ids);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = piece_length(cuts_[rule], text, at);
        encode_words(text.substr(at, length), rule + 1, words, ids);
        at += length;
    }
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
    std::string bytes;
    for (const std::int32_t id : ids) bytes += bytes_of(id, skip_special);
    return replace_invalid(bytes);
}

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token_content) const {
    const auto found = ids_.find(token_content);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::string_view Tokenizer::bytes_of(std::int32_t id, bool skip_special) const {
    if (id < 0) fail(Code::out_of_range, "token id ", id, " is negative; ids are 0..", size_ - 1);
    const auto found = tokens_.find(id);
    if (found == tokens_.end() || (skip_special && found->second.special)) return {};
    return found->second.bytes;
}

}  // namespace sipo
