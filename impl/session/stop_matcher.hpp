// Finds stop sequences in text that comes in pieces, across their borders.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sipo {

class StopMatcher {
public:
    // Sequences that are not empty.
    explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

    // The text that is certain by now: all of it but what may be the start of a stop sequence. Once
    // one is complete, the text before it, and then nothing.
    [[nodiscard]] std::string push(std::string_view piece);
    [[nodiscard]] bool stopped() const { return stopped_; }
    // What was held back, when no more text comes.
    [[nodiscard]] std::string finish();

private:
    [[nodiscard]] std::size_t held_length() const;

    std::vector<std::string> stops_;
    std::string held_;
    bool stopped_ = false;
};

}  // namespace sipo
