#include "tokenizer/bpe.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/error.hpp"

namespace sipo {
namespace {

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

// Long words hardly come twice; the number bounds the memory of a text without repetitions.
constexpr std::size_t longest_known_word = 64;
constexpr std::size_t most_known_words = 1U << 17;

// The lowest rank is on top, the leftmost of equals first.
constexpr auto goes_later = [](const auto& left, const auto& right) {
    return std::tie(left.rank, left.position) > std::tie(right.rank, right.position);
};

}  // namespace

void WordEncoder::append(std::string_view word, std::vector<std::int32_t>& ids) {
    if (word.size() == 1) {
        ids.push_back(tables_.byte_ids[static_cast<unsigned char>(word[0])]);
        return;
    }
    if (const auto whole = tables_.whole_words.find(word); whole != tables_.whole_words.end()) {
        ids.push_back(whole->second);
        return;
    }
    if (word.size() > longest_known_word) return merge_word(word, ids);
    if (const auto known = known_words_.find(word); known != known_words_.end()) {
        ids.insert(ids.end(), known->second.begin(), known->second.end());
        return;
    }
    const auto before = static_cast<std::ptrdiff_t>(ids.size());
    merge_word(word, ids);
    if (known_words_.size() >= most_known_words) return;
    known_words_.try_emplace(std::string(word), ids.begin() + before, ids.end());
}

void WordEncoder::merge_word(std::string_view word, std::vector<std::int32_t>& ids) {
    if (word.size() >= none)
        fail(Code::out_of_range, "a word of ", word.size(), " bytes is too long");
    link_symbols(word);
    merge_candidates();
    for (const Symbol& symbol : symbols_) {
        if (symbol.id >= 0) ids.push_back(symbol.id);
    }
}

void WordEncoder::link_symbols(std::string_view word) {
    const auto size = static_cast<std::uint32_t>(word.size());
    symbols_.clear();
    for (std::uint32_t i = 0; i < size; ++i) {
        symbols_.push_back({tables_.byte_ids[static_cast<unsigned char>(word[i])],
                            i == 0 ? none : i - 1, i + 1 == size ? none : i + 1});
    }
}

const BpeTables::Merge* WordEncoder::merge_at(std::uint32_t position) const {
    const Symbol& left = symbols_[position];
    if (left.id < 0 || left.next == none) return nullptr;
    const auto merge = tables_.merges.find(BpeTables::pair_of(left.id, symbols_[left.next].id));
    return merge == tables_.merges.end() ? nullptr : &merge->second;
}

void WordEncoder::push_candidate(std::uint32_t position) {
    const BpeTables::Merge* merge = merge_at(position);
    if (merge == nullptr) return;
    candidates_.push_back({merge->rank, position, merge->id});
    std::push_heap(candidates_.begin(), candidates_.end(), goes_later);
}

void WordEncoder::merge_candidates() {
    candidates_.clear();
    for (std::uint32_t i = 0; i < symbols_.size(); ++i) {
        const BpeTables::Merge* merge = merge_at(i);
        if (merge != nullptr) candidates_.push_back({merge->rank, i, merge->id});
    }
    std::make_heap(candidates_.begin(), candidates_.end(), goes_later);
    while (!candidates_.empty()) {
        std::pop_heap(candidates_.begin(), candidates_.end(), goes_later);
        const Candidate top = candidates_.back();
        candidates_.pop_back();
        // A stale pair. As in Hugging Face's code, another pair that gives the same token is not.
        const BpeTables::Merge* merge = merge_at(top.position);
        if (merge == nullptr || merge->id != top.id) continue;
        Symbol& left = symbols_[top.position];
        Symbol& right = symbols_[left.next];
        left.id = top.id;
        left.next = right.next;
        right.id = -1;
        if (left.next != none) symbols_[left.next].previous = top.position;
        if (left.previous != none) push_candidate(left.previous);
        push_candidate(top.position);
    }
}

}  // namespace sipo
