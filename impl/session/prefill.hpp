// Reads a prompt: chunks of tokens through all layers, with the states carried across the borders.
//
// A layer that drops tokens (LayerPlan::kept_tokens) needs the Δ of all tokens before it can scan,
// so it ends a segment of layers: first every chunk goes through the segment up to that layer's Δ,
// then the tokens are chosen, then every chunk goes through that layer again and only the kept
// tokens go on. The residual stream alone is held for the full length, and only when there is such
// a layer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backend/backend.hpp"
#include "base/progress.hpp"
#include "context/method.hpp"
#include "model/model.hpp"
#include "model/workspace.hpp"
#include "session/recurrent_state.hpp"

namespace sipo {

// What a session computes with. The buffers grow to the largest chunk that came.
struct Machinery {
    Machinery(const Model& model, int threads, std::int64_t chunk_tokens);
    // Room for `tokens` tokens at once.
    void reserve(std::int64_t tokens);
    // Room for the logits of `rows` tokens.
    void reserve_logits(std::int64_t rows);
    // Final norm and head: the logits [rows, vocab_size] of at most head_rows rows of the residual
    // stream.
    [[nodiscard]] backend::View head(backend::View residual);

    const Model& model;
    backend::StreamPtr stream;
    std::int64_t chunk_tokens;
    RecurrentState state;
    std::unique_ptr<Workspace> work;
    backend::BufferPtr residual;  // [chunk, d_model]
    backend::BufferPtr logits;    // [head rows, vocab_size]
};

// Rows that go through the head together.
inline constexpr std::int64_t head_rows = 64;

struct PrefillTask {
    std::span<const std::int32_t> ids;
    const context::Plan& plan;
    std::int64_t last = 1;  // logits are wanted for this many tokens at the end
    // Called in order with the logits of tokens `first`, `first` + 1, .. of the wanted ones.
    std::function<void(std::int64_t first, backend::View logits)> on_logits;
    const ProgressFn& progress;
    const std::atomic<bool>& cancelled;
};

class Prefill {
public:
    Prefill(Machinery& machinery, const PrefillTask& task);
    // Moves the machinery's state over the prompt. Throws Code::cancelled between two layers of a
    // chunk.
    void run();
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

    [[nodiscard]] std::int64_t next_cut(std::int64_t layer) const;
    void make_filters();
    void make_decimation_buffers(std::int64_t first_cut);
    template <typename Fn>
    void for_chunks(const Fn& fn);
    [[nodiscard]] backend::View open_chunk(const Chunk& chunk, bool embed);
    void run_layers(std::int64_t first, std::int64_t last, backend::View residual);
    void score_chunk(std::int64_t layer, const Chunk& chunk, backend::View residual);
    void decimate(std::int64_t layer);
    [[nodiscard]] std::vector<std::int64_t> choose_tokens(std::int64_t layer);
    void mix_kept(std::int64_t layer, const Chunk& chunk, std::span<const std::int64_t> kept,
                  std::int64_t position);
    void emit_logits(const Chunk& chunk, backend::View residual);
    [[nodiscard]] LayerHook hook(std::int64_t layer) const;
    void advance(std::int64_t token_layers);
    void check_cancelled() const;

    Machinery& m_;
    const PrefillTask& task_;
    std::vector<Filter> filters_;  // one a layer
    std::int64_t length_;          // tokens that are left
    std::optional<std::vector<std::int64_t>> kept_;
    backend::BufferPtr full_residual_;     // [tokens, d_model]
    backend::BufferPtr scores_;            // [1, tokens]
    backend::BufferPtr gathered_;          // [chunk, d_model]
    backend::BufferPtr first_conv_state_;  // of the layer at the cut, for its first pass
    std::int64_t work_done_ = 0;           // in tokens times layers
    std::int64_t work_total_ = 0;
};

}  // namespace sipo
