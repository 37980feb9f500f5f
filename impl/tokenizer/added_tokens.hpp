// Tokens that are looked for in the text itself, before it is split into words.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sipo {

struct AddedToken {
    std::int32_t id = 0;
    std::string content;
    bool single_word = false;  // only where no word character touches it
    bool lstrip = false;       // takes the white space on its left along
    bool rstrip = false;       // and on its right
    bool normalized = true;    // looked for, normalised, in the normalised text
    bool special = false;      // left out of decoded text on demand
};

class AddedTokenMatcher {
public:
    struct Piece {
        std::string_view text;    // of ordinary text, never empty
        const AddedToken* token;  // null: ordinary text
    };

    // Matches `pattern` where it stands in a text. False if that pattern is taken.
    [[nodiscard]] bool add(std::string_view pattern, AddedToken token);

    // The text in pieces. Of the matches that start leftmost the longest counts, and
    // one that its flags reject is not looked into again: all as in Hugging Face's code, up to a
    // token with `rstrip` that overlaps the next, which gives both.
    [[nodiscard]] std::vector<Piece> split(std::string_view text) const;

private:
    struct Match {
        const AddedToken* token;
        std::size_t length;
    };

    [[nodiscard]] Match longest_at(std::string_view text, std::size_t at) const;

    static constexpr std::size_t no_token = static_cast<std::size_t>(-1);

    std::vector<AddedToken> tokens_;
    // A trie over bytes: the edges by (node << 8 | byte), the tokens by node. Node 0 is the root.
    std::unordered_map<std::uint64_t, std::uint32_t> edges_;
    std::vector<std::size_t> token_of_node_{no_token};
    std::bitset<256> first_bytes_;
};

}  // namespace sipo
