// Recorded sequences of operations, by whose memory they work on.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <list>
#include <vector>

#include "backend/backend.hpp"
#include "device.hpp"

namespace sipo::cuda {

class GraphCache {
public:
    explicit GraphCache(Queue queue) : queue_(std::move(queue)) {}
    ~GraphCache() { clear(); }
    GraphCache(const GraphCache&) = delete;
    GraphCache& operator=(const GraphCache&) = delete;

    // What is the same, and does not become another's while a record is kept; where results go.
    struct Key {
        std::vector<backend::Identity> sequences;
        const void* rows;
        [[nodiscard]] bool operator==(const Key&) const = default;
    };

    // Runs the operations: the first time for a key as they are, so that they may still grow their
    // scratch memory, the second time recording them, from then on from the record.
    void run(Key key, const std::function<void()>& operations);

private:
    struct Entry {
        Key key;
        cudaGraphExec_t graph;  // null: not recorded yet
    };
    [[nodiscard]] cudaGraphExec_t record(const std::function<void()>& operations) const;
    void clear();

    Queue queue_;
    std::uint64_t releases_ = 0;
    std::list<Entry> entries_;  // the latest first
};

}  // namespace sipo::cuda
