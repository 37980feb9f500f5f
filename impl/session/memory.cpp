#include "session/memory.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace sipo {
namespace {

constexpr std::int64_t float_bytes = sizeof(float);

std::int64_t tensor_memory(const TensorEntry& tensor) {
    const auto stored = static_cast<std::int64_t>(tensor.payload.raw_bytes);
    if (tensor.shape.size() != 2 || tensor.shape.front() <= 0) return stored;
    const std::int64_t rows = tensor.shape.front();
    // Backends pad a matrix to whole panels of 16, 32, 48 or 64 rows.
    const std::int64_t padded =
        std::max(round_up(rows, std::int64_t{48}), round_up(rows, std::int64_t{64}));
    return checked_mul(ceil_div(stored, rows), padded);
}

}  // namespace

std::int64_t model_memory(const Container& container) {
    std::int64_t bytes = 0;
    for (const TensorEntry& tensor : container.tensors()) {
        bytes = checked_add(bytes, tensor_memory(tensor));
    }
    return bytes;
}

std::int64_t remembered_memory(const OpenModel& model) {
    return model.state_bytes() + model.architecture().vocab_size * float_bytes;
}

std::int64_t session_memory(const OpenModel& model, const SessionOptions& options,
                            std::int64_t prompt_tokens) {
    const Architecture& arch = model.architecture();
    const std::int64_t chunk = std::min(chunk_of(model, options), prompt_tokens);
    // The state, and its copy from before a prompt.
    const std::int64_t states = 2 * model.state_bytes();
    // Those remembered, their copy on the host, and where the head leaves them.
    const std::int64_t logits = 3 * arch.vocab_size * float_bytes;
    const std::int64_t work = (Workspace::floats(arch, chunk) + chunk * arch.d_model) * float_bytes;
    std::int64_t held = 0;
    if (context::drops_tokens(plan_of(model, options, prompt_tokens, 0))) {
        const std::int64_t token_floats = arch.d_model + 1;
        held = checked_mul(prompt_tokens, token_floats * float_bytes) +
               chunk * arch.d_model * float_bytes;
    }
    return checked_add(states + logits + work, held);
}

void check_memory(std::string_view what, std::int64_t bytes, std::int64_t limit) {
    if (limit == 0 || bytes <= limit) return;
    fail(Code::out_of_memory, what, " would take ", bytes, " bytes; the limit is ", limit);
}

}  // namespace sipo
