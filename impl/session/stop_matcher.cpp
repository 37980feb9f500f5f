#include "session/stop_matcher.hpp"

#include <algorithm>
#include <utility>

namespace sipo {

std::string StopMatcher::push(std::string_view piece) {
    if (stopped_) return {};
    held_ += piece;
    std::size_t first = std::string::npos;
    for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
    stopped_ = first != std::string::npos;
    const std::size_t certain = stopped_ ? first : held_.size() - held_length();
    std::string text = held_.substr(0, certain);
    held_.erase(0, stopped_ ? held_.size() : certain);
    return text;
}

std::string StopMatcher::finish() { return std::exchange(held_, {}); }

// The longest end of the text that some stop sequence starts with.
std::size_t StopMatcher::held_length() const {
    const std::string_view text = held_;
    std::size_t longest = 0;
    for (const std::string& stop : stops_) {
        std::size_t length = std::min(stop.size() - 1, text.size());
        while (length > longest && !text.ends_with(std::string_view(stop).substr(0, length)))
            --length;
        longest = std::max(longest, length);
    }
    return longest;
}

}  // namespace sipo
