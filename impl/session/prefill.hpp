// Reads a prompt: chunks of tokens through all layers, with the states carried across the borders.
//
// A layer that drops tokens (LayerPlan::kept_tokens) needs the Δ of all tokens before it can scan,
// so it ends a segment of layers: first every chunk goes through the segment up to that layer's Δ,
// then the tokens are chosen, then every chunk goes through that layer again and only the kept
// tokens go on. The residual stream alone is held for the full length, and only when there is such
// a layer.
//
// A chunk can be left between two layers and gone on with later, when others have used the machinery:
// what computes is the same, so are its bits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "backend/backend.hpp"
#include "base/progress.hpp"
#include "context/method.hpp"
#include "session/machinery.hpp"
#include "session/recurrent_state.hpp"

namespace sipo {

// Watches a prompt being read. With an observer every layer reads the whole prompt before the next
// one does, and the residual stream is held for the full length.
class PrefillObserver {
public:
    PrefillObserver() = default;
    virtual ~PrefillObserver() = default;
    PrefillObserver(const PrefillObserver&) = delete;
    PrefillObserver& operator=(const PrefillObserver&) = delete;
    // Just before `layer` scans a chunk: what it reads, with the method's wishes, and where the
    // rows it visits stand in the prompt (ascending). Chunks come in order.
    virtual void before_scan(std::int64_t layer, const backend::ScanInputs& inputs,
                             std::span<const std::int64_t> positions) = 0;
};

struct PrefillTask {
    std::span<const std::int32_t> ids;
    const context::Plan& plan;
    std::int64_t chunk_tokens = 1024;
    std::int64_t reused = 0;  // tokens before `ids` that progress counts as done
    std::int64_t last = 1;    // logits are wanted for this many tokens at the end
    // Called in order with the logits of tokens `first`, `first` + 1, .. of the wanted ones.
    std::function<void(std::int64_t first, backend::View logits)> on_logits;
    const ProgressFn& progress;
    const std::atomic<bool>& cancelled;
    PrefillObserver* observer = nullptr;
};

// Asked between two layers; true leaves the chunk there.
using PauseFn = std::function<bool()>;

// What a chunk of at most so many rows needs, no logits counted. A long one is read in halves side by
// side where the backend likes that; not if `whole`: a layer drops tokens, or somebody looks on.
[[nodiscard]] Room chunk_room(std::int64_t rows, bool whole, const backend::Backend& backend);

class Prefill {
public:
    // The machinery is used within step() only; the state is moved over the prompt.
    Prefill(Machinery& machinery, const RecurrentState& state, const PrefillTask& task);
    // One chunk of at most `limit` tokens through its segment, or as many of its layers, one at
    // least, as `pause` leaves time for; then the next step goes on with that chunk. Whether there
    // is more to do. Throws Code::cancelled between two layers.
    [[nodiscard]] bool step(std::int64_t limit, const PauseFn& pause = {});
    [[nodiscard]] bool paused() const { return paused_.has_value(); }
    // All of it.
    void run();
    // Tokens that every layer has read; meaningful while no layer drops tokens.
    [[nodiscard]] std::int64_t tokens_done() const { return next_; }
    // Tokens of the last step's chunk; none while it is paused.
    [[nodiscard]] std::int64_t tokens_of_step() const { return step_; }
    // Right after a step, in the same turn and while no layer drops tokens: the logits after the
    // last token of its chunk, in the machinery's memory. [1, vocab_size]
    [[nodiscard]] backend::View last_logits();
    // Indices of the tokens that reached the last layer; nothing when all did.
    [[nodiscard]] std::optional<std::vector<std::int64_t>> take_kept() { return std::move(kept_); }

private:
    struct Filter {
        backend::BufferPtr threshold;
        backend::BufferPtr scale;
    };
    struct Chunk {
        std::int64_t first;
        std::int64_t count;
    };

    // A chunk that was left before `layer`.
    struct Paused {
        Chunk chunk;
        std::int64_t layer;
        backend::BufferPtr residual;  // its own copy, unless the whole prompt's is held
    };

    // What a pass over all chunks does.
    enum class Pass {
        layers,  // a segment, up to the layer that ends it
        mix,     // that layer again, with the tokens it keeps
        head,    // the logits, when the last layer drops tokens
    };

    [[nodiscard]] std::int64_t next_cut(std::int64_t layer) const;
    [[nodiscard]] bool drops_tokens(std::int64_t layer) const;
    void make_filters();
    void make_full_length_buffers();
    void begin();
    [[nodiscard]] Chunk next_chunk(std::int64_t limit) const;
    // The next three: whether it is done, not paused.
    [[nodiscard]] bool run_chunk(const Chunk& chunk, const PauseFn& pause);
    [[nodiscard]] bool run_segment(const Chunk& chunk, const PauseFn& pause);
    [[nodiscard]] bool run_layers(std::int64_t first, backend::View residual, const Chunk& chunk,
                                  const PauseFn& pause);
    // After the last chunk of a pass; whether another follows.
    [[nodiscard]] bool end_pass();
    [[nodiscard]] backend::View residual_of(const Chunk& chunk) const;
    void embed(const Chunk& chunk, backend::View residual);
    void leave(const Chunk& chunk, std::int64_t layer, backend::View residual);
    [[nodiscard]] std::int64_t go_on(backend::View residual);
    [[nodiscard]] Room room_of(std::int64_t rows) const;
    void run_halves(backend::View residual);
    void project(std::int64_t layer, Machinery& machinery, backend::View residual);
    void mix(std::int64_t layer, Machinery& machinery, backend::View residual);
    void observe(std::int64_t layer, const Chunk& chunk, const LayerHook& wish) const;
    void score_chunk(std::int64_t layer, const Chunk& chunk, backend::View residual);
    void choose_tokens(std::int64_t layer);
    void mix_kept(std::int64_t layer, const Chunk& chunk);
    void note_kept();
    void emit_logits(const Chunk& chunk, backend::View residual);
    [[nodiscard]] LayerHook hook(std::int64_t layer) const;
    void advance(std::int64_t token_layers);
    void check_cancelled() const;

    Machinery& m_;
    const RecurrentState& state_;
    const PrefillTask& task_;
    Pass pass_ = Pass::layers;
    bool begun_ = false;
    std::int64_t first_ = 0;  // layer of the segment
    std::int64_t cut_ = 0;    // the layer that ends it: drops tokens, or begins the next
    std::int64_t next_ = 0;   // token of the pass
    std::int64_t step_ = 0;   // tokens of the last chunk
    std::optional<Paused> paused_;
    backend::View last_row_;            // of the residual stream of the last chunk
    std::vector<std::int64_t> chosen_;  // what the layer at the cut keeps
    std::int64_t mixed_ = 0;            // how many of them have gone through it
    std::vector<Filter> filters_;       // one a layer
    std::int64_t length_;               // tokens that are left
    std::optional<std::vector<std::int64_t>> kept_;
    backend::BufferPtr full_residual_;     // [tokens, d_model]
    backend::BufferPtr scores_;            // [1, tokens]
    backend::BufferPtr gathered_;          // [chunk, d_model]
    backend::BufferPtr first_conv_state_;  // of the layer at the cut, for its first pass
    std::int64_t work_done_ = 0;           // in tokens times layers
    std::int64_t work_total_ = 0;
};

}  // namespace sipo
