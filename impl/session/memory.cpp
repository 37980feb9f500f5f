#include "session/memory.hpp"

#include <algorithm>
#include <vector>

#include "base/checked.hpp"
#include "base/cpu_count.hpp"
#include "base/error.hpp"
#include "session/prefill.hpp"

namespace sipo {
namespace {

using backend::Backend;
using backend::MatrixSize;

constexpr std::int64_t float_bytes = sizeof(float);
constexpr std::int64_t token_bytes = sizeof(std::int64_t);
// Of a session, a block of a model and a session's layer: the objects themselves, names, lists.
constexpr std::int64_t session_objects = 4096;
constexpr std::int64_t block_objects = 1024;
constexpr std::int64_t layer_objects = 256;
// Later than any token: a method then asks for all that it ever does.
constexpr std::int64_t late_position = std::int64_t{1} << 60;

template <typename... Counts>
std::int64_t sum_of(Counts... counts) {
    std::int64_t sum = 0;
    for (const std::int64_t count : {std::int64_t{counts}...}) sum = checked_add(sum, count);
    return sum;
}

// A table as the model's blocks make it: matrices are turned.
std::int64_t table_bytes(const TensorSpec& spec, const Backend& backend) {
    const std::int64_t first = spec.shape.front();
    return spec.shape.size() == 2 ? backend.buffer_bytes(spec.shape.back(), first)
                                  : backend.buffer_bytes(1, first);
}

// What the blocks keep on the host of a tensor, for calibration.
std::int64_t host_copy_bytes(const TensorSpec& spec) {
    if (!spec.name.ends_with("A_log")) return 0;
    std::int64_t bytes = float_bytes;
    for (const std::int64_t size : spec.shape) bytes = checked_mul(bytes, size);
    return bytes;
}

// The matrices of a tensor: itself, and Δ's rows of a quantised one.
void add_matrices(const Container& container, const TensorSpec& spec,
                  std::vector<MatrixSize>& matrices) {
    const bool precise = spec.name.ends_with("dt_proj.weight");
    for (const std::string& name : {spec.name, delta_rows_name(spec.name)}) {
        const TensorEntry* const entry = container.find(name);
        if (entry == nullptr || entry->shape.size() != 2) continue;
        matrices.push_back(
            {entry->shape.front(), entry->shape.back(), held_type(entry->dtype, precise)});
    }
}

// Host memory of any sampling: the logits with biases, the weights of a ranking of all of them, and the
// ranking itself, which is soon gone.
std::int64_t sampler_bytes(const Architecture& arch) {
    return arch.vocab_size * (float_bytes + std::int64_t{sizeof(double)});
}
std::int64_t ranking_bytes(const Architecture& arch) {
    return arch.vocab_size * std::int64_t{sizeof(RankedToken)};
}

Room room_for(const OpenModel& model, const SessionOptions& options, const Demand& demand,
              bool whole, const Room& held) {
    const std::int64_t chunk = std::min(chunk_of(model, options), demand.tokens);
    Room room = chunk_room(chunk, whole, model.model().backend());
    // More sessions than that decode one group after the other.
    const std::int64_t together = std::min(demand.sessions, head_rows);
    room.tokens = std::max({room.tokens, together, held.tokens});
    room.at_once = std::max({room.at_once, together, held.at_once});
    room.beside = std::max(room.beside, held.beside);
    room.logits = std::max({std::min(demand.logits, head_rows), together, held.logits});
    return room;
}

// What a prompt is read with beside the working memory of a chunk.
std::int64_t prompt_bytes(const OpenModel& model, const context::Plan& plan, std::int64_t tokens,
                          bool observed) {
    const Architecture& arch = model.architecture();
    const Backend& backend = model.model().backend();
    std::int64_t bytes = 0;
    std::int64_t kept = 0;
    for (const context::LayerPlan& layer : plan) {
        const auto channels = static_cast<std::int64_t>(layer.delta_threshold.size());
        if (channels > 0) {
            bytes =
                sum_of(bytes, 2 * backend.buffer_bytes(1, channels), 2 * channels * float_bytes);
        }
        if (layer.kept_tokens) kept = std::max(kept, *layer.kept_tokens + layer.protected_tail);
    }
    const bool drops = context::drops_tokens(plan);
    if (observed || drops) bytes = sum_of(bytes, backend.buffer_bytes(tokens, arch.d_model));
    if (!drops) return bytes;
    // The indices of those that a layer keeps, that the one before it kept, and that the session
    // remembers of the last prompt and of this one.
    constexpr std::int64_t lists = 4;
    const std::int64_t conv_state = backend.buffer_bytes(arch.d_conv - 1, arch.conv_channels());
    return sum_of(bytes, backend.buffer_bytes(1, tokens), conv_state, lists * kept * token_bytes);
}

// Working memory; `candidates`: tokens of a prompt of which some are dropped.
std::int64_t working_bytes(const OpenModel& model, const SessionOptions& options, const Room& room,
                           std::int64_t candidates) {
    const int threads = resolve_threads(options.threads);
    const std::int64_t bytes = Machinery::bytes(model.model(), threads, room, candidates);
    if (candidates == 0) return bytes;
    // The kept tokens of a chunk: their residual stream and where they are.
    return sum_of(bytes,
                  model.model().backend().buffer_bytes(room.tokens, model.architecture().d_model),
                  room.tokens * token_bytes);
}

// What a step of several sessions is told of their states.
std::int64_t step_bytes(std::int64_t sessions) {
    return sessions * std::int64_t{sizeof(backend::Identity) + 3 * sizeof(backend::View)};
}

}  // namespace

std::int64_t model_memory(const Container& container, const Backend& backend) {
    const Architecture& arch = container.architecture();
    std::vector<MatrixSize> matrices;
    std::int64_t bytes = arch.n_layers * block_objects;
    if (arch.family == Family::falcon_mamba) {
        const std::int64_t ones = backend.buffer_bytes(1, std::max(arch.dt_rank, arch.d_state));
        bytes = checked_add(bytes, checked_mul(arch.n_layers, ones));
    }
    for (const TensorSpec& spec : tensor_specs(arch)) {
        if (spec.matrix) {
            add_matrices(container, spec, matrices);
        } else {
            bytes = sum_of(bytes, table_bytes(spec, backend), host_copy_bytes(spec));
        }
    }
    return checked_add(bytes, backend.matrices_bytes(matrices));
}

std::int64_t remembered_memory(const OpenModel& model) {
    return SessionState::bytes(model.model().backend(), model.architecture());
}

std::int64_t resting_memory(const OpenModel& model) {
    const Architecture& arch = model.architecture();
    return sum_of(remembered_memory(model), arch.vocab_size * float_bytes, session_objects,
                  arch.n_layers * layer_objects);
}

std::int64_t generating_memory(const OpenModel& model) {
    return checked_add(resting_memory(model), sampler_bytes(model.architecture()));
}

std::int64_t session_memory(const OpenModel& model, const SessionOptions& options,
                            const Demand& demand, const Room& held) {
    const Architecture& arch = model.architecture();
    const context::Plan plan = plan_of(model, options, demand.tokens, late_position);
    const bool drops = context::drops_tokens(plan);
    const Room room = room_for(model, options, demand, drops, held);
    // With the state from before the prompt.
    const std::int64_t reading = sum_of(RecurrentState::bytes(model.model().backend(), arch),
                                        prompt_bytes(model, plan, demand.tokens, false),
                                        checked_mul(demand.results, float_bytes));
    const std::int64_t generating = sum_of(sampler_bytes(arch), ranking_bytes(arch),
                                           step_bytes(std::min(demand.sessions, head_rows)));
    return sum_of(resting_memory(model), std::max(reading, generating),
                  working_bytes(model, options, room, drops ? demand.tokens : 0));
}

std::int64_t prefill_memory(const OpenModel& model, const SessionOptions& options,
                            std::int64_t tokens, bool observed) {
    const context::Plan plan = plan_of(model, options, tokens, late_position);
    const bool drops = context::drops_tokens(plan);
    const Room room = room_for(model, options, {.tokens = tokens}, observed || drops, {});
    return checked_add(prompt_bytes(model, plan, tokens, observed),
                       working_bytes(model, options, room, drops ? tokens : 0));
}

void check_memory(std::string_view what, std::int64_t bytes, std::int64_t limit) {
    if (limit == 0 || bytes <= limit) return;
    fail(Code::out_of_memory, what, " would take ", bytes, " bytes; the limit is ", limit);
}

}  // namespace sipo
