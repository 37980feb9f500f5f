// Byte-pair encoding of one word at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sipo {

struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>{}(text);
    }
};

// Looked up by string_view without a copy.
template <typename Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

// What a model knows: which id a byte starts from and which pairs of ids become one.
struct BpeTables {
    struct Merge {
        std::int32_t rank;  // a lower one goes first
        std::int32_t id;
    };

    static std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
        return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
               static_cast<std::uint32_t>(right);
    }

    std::array<std::int32_t, 256> byte_ids{};
    std::unordered_map<std::uint64_t, Merge> merges;
    // Words that are taken as they are, whatever the merges say (`ignore_merges`).
    StringMap<std::int32_t> whole_words;
};

// The working memory of one call of encode, and the words that it has met.
class WordEncoder {
public:
    explicit WordEncoder(const BpeTables& tables) : tables_(tables) {}

    void append(std::string_view word, std::vector<std::int32_t>& ids);

private:
    // Neighbours are linked by position, so that a merge costs nothing but its two new pairs.
    struct Symbol {
        std::int32_t id;  // negative: merged into the symbol on its left
        std::uint32_t previous;
        std::uint32_t next;
    };
    // A pair that may merge, if it is still there when its turn comes.
    struct Candidate {
        std::int32_t rank;
        std::uint32_t position;  // of the left symbol
        std::int32_t id;
    };

    void merge_word(std::string_view word, std::vector<std::int32_t>& ids);
    void link_symbols(std::string_view word);
    void merge_candidates();
    void push_candidate(std::uint32_t position);
    [[nodiscard]] const BpeTables::Merge* merge_at(std::uint32_t position) const;

    const BpeTables& tables_;
    std::vector<Symbol> symbols_;
    std::vector<Candidate> candidates_;  // a heap
    StringMap<std::vector<std::int32_t>> known_words_;
};

}  // namespace sipo
