#include "tokenizer/added_tokens.hpp"

#include <algorithm>
#include <utility>

#include "tokenizer/unicode.hpp"
#include "tokenizer/utf8.hpp"

namespace sipo {
namespace {

std::size_t last_character(std::string_view text) {
    std::size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U) --at;
    return at;
}

bool stands_alone(std::string_view text, std::size_t start, std::size_t stop) {
    const auto is_word_at = [&](std::size_t at) {
        return is_word_character(decode_utf8(text, at).value);
    };
    if (start > 0 && is_word_at(last_character(text.substr(0, start)))) return false;
    return stop == text.size() || !is_word_at(stop);
}

// The start of the white space that ends at `end`, but not before `limit`.
std::size_t skip_spaces_back(std::string_view text, std::size_t end, std::size_t limit) {
    while (end > limit) {
        const std::size_t at = last_character(text.substr(0, end));
        if (!is_space(decode_utf8(text, at).value)) break;
        end = at;
    }
    return end;
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
    while (at < text.size()) {
        const CodePoint point = decode_utf8(text, at);
        if (!is_space(point.value)) break;
        at += point.length;
    }
    return at;
}

}  // namespace

bool AddedTokenMatcher::add(std::string_view pattern, AddedToken token) {
    std::uint32_t node = 0;
    for (const char c : pattern) {
        const auto byte = static_cast<unsigned char>(c);
        if (node == 0) first_bytes_.set(byte);
        const auto fresh = static_cast<std::uint32_t>(token_of_node_.size());
        const std::uint64_t edge = (static_cast<std::uint64_t>(node) << 8) | byte;
        const auto [found, inserted] = edges_.try_emplace(edge, fresh);
        if (inserted) token_of_node_.push_back(no_token);
        node = found->second;
    }
    if (token_of_node_[node] != no_token) return false;
    token_of_node_[node] = tokens_.size();
    tokens_.push_back(std::move(token));
    return true;
}

AddedTokenMatcher::Match AddedTokenMatcher::longest_at(std::string_view text,
                                                       std::size_t at) const {
    Match longest{nullptr, 0};
    std::uint32_t node = 0;
    for (std::size_t i = at; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto edge = edges_.find((static_cast<std::uint64_t>(node) << 8) | byte);
        if (edge == edges_.end()) break;
        node = edge->second;
        const std::size_t token = token_of_node_[node];
        if (token != no_token) longest = {&tokens_[token], i + 1 - at};
    }
    return longest;
}

std::vector<AddedTokenMatcher::Piece> AddedTokenMatcher::split(std::string_view text) const {
    std::vector<Piece> pieces;
    std::size_t done = 0;        // the text before it is in a piece
    std::size_t spaces_end = 0;  // of the white space passed last, lest each token of a run walk it
    for (std::size_t at = 0; at < text.size();) {
        const bool hopeful = first_bytes_.test(static_cast<unsigned char>(text[at]));
        const Match match = hopeful ? longest_at(text, at) : Match{nullptr, 0};
        if (match.token == nullptr) {
            ++at;
            continue;
        }
        std::size_t start = at;
        std::size_t stop = at + match.length;
        at = stop;
        if (match.token->single_word && !stands_alone(text, start, stop)) continue;
        if (match.token->lstrip) start = std::max(done, skip_spaces_back(text, start, done));
        if (match.token->rstrip) {
            if (stop >= spaces_end) spaces_end = skip_spaces(text, stop);
            stop = spaces_end;
        }
        if (done < start) pieces.push_back({text.substr(done, start - done), nullptr});
        pieces.push_back({{}, match.token});
        done = stop;
    }
    if (done < text.size()) pieces.push_back({text.substr(done), nullptr});
    return pieces;
}

}  // namespace sipo
