// Recorded sequences of operations, by the memory they work on.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <list>
#include <vector>

#include "device.hpp"

namespace sipo::cuda {

class GraphCache {
public:
    explicit GraphCache(Queue queue) : queue_(std::move(queue)) {}
    ~GraphCache() { clear(); }
    GraphCache(const GraphCache&) = delete;
    GraphCache& operator=(const GraphCache&) = delete;

    // Runs the operations: the first time for a key as they are, so that they may still grow their
    // scratch memory, the second time recording them, from then on from the record.
    void run(std::vector<const void*> key, const std::function<void()>& operations);

private:
    struct Entry {
        std::vector<const void*> key;
        cudaGraphExec_t graph;  // null: not recorded yet
    };
    [[nodiscard]] cudaGraphExec_t record(const std::function<void()>& operations) const;
    void clear();

    Queue queue_;
    std::uint64_t releases_ = 0;
    std::list<Entry> entries_;  // the latest first
};

}  // namespace sipo::cuda
