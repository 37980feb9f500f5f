#include <utility>

#include "tokenizer/tokenizer.hpp"
#include "tokenizer/utf8.hpp"

namespace sipo {

std::string TextStream::push(std::int32_t id) {
    pending_ += tokenizer_->bytes_of(id, skip_special_);
    std::string complete;
    pending_.erase(0, append_complete(complete, pending_));
    return complete;
}

std::string TextStream::finish() { return replace_invalid(std::exchange(pending_, {})); }

}  // namespace sipo
