// What sessions compute with: a stream (threads or a device queue) and the working memory of a
// chunk of tokens. Any number of sessions may share one; their steps take turns.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "backend/backend.hpp"
#include "base/turn_lock.hpp"
#include "model/model.hpp"
#include "model/workspace.hpp"

namespace sipo {

// Rows that go through the head together.
inline constexpr std::int64_t head_rows = 64;

// Rows that working memory has room for.
struct Room {
    std::int64_t tokens = 0;   // of the residual stream
    std::int64_t at_once = 0;  // of those, that go through a layer together
    std::int64_t beside = 0;   // of those, that go through one on a second stream
    std::int64_t logits = 0;
};

// Everything but `turns` is for the one who holds it. The buffers grow to the largest chunk that
// came.
struct Machinery {
    Machinery(const Model& of_model, int threads)
        : model(of_model), stream(of_model.backend().open_stream(threads)) {}

    // What a machinery takes that has that room and has chosen among so many tokens.
    [[nodiscard]] static std::int64_t bytes(const Model& model, int threads, const Room& room,
                                            std::int64_t candidates);
    [[nodiscard]] Room room() const;

    // Room for `tokens` tokens of the residual stream, `at_once` of which go through a layer together.
    void reserve(std::int64_t tokens, std::int64_t at_once);
    // Room for the logits of `rows` tokens.
    void reserve_logits(std::int64_t rows);
    // A second stream with room for `tokens` tokens, where chunks are read in halves.
    [[nodiscard]] Machinery& twin(std::int64_t tokens);
    // Final norm and head: the logits [rows, vocab_size] of at most head_rows rows of the residual
    // stream.
    [[nodiscard]] backend::View head(backend::View hidden);
    // The same, to `out`.
    void head(backend::View hidden, backend::View out);

    const Model& model;
    TurnLock turns;
    backend::StreamPtr stream;
    std::unique_ptr<Workspace> work;
    backend::BufferPtr residual;  // [chunk, d_model]
    backend::BufferPtr logits;    // [head rows, vocab_size]

private:
    std::unique_ptr<Machinery> twin_;
};

// One step of one session on shared machinery.
using Turn = std::lock_guard<TurnLock>;

}  // namespace sipo
