#include "graph_cache.hpp"

#include <algorithm>
#include <utility>

#include "cuda_check.hpp"

namespace sipo::cuda {
namespace {

// Compositions of a batch that are worth keeping.
constexpr std::size_t max_entries = 16;

void destroy(cudaGraphExec_t graph) {
    if (graph != nullptr) (void)cudaGraphExecDestroy(graph);
}

}  // namespace

void GraphCache::run(std::vector<const void*> key, const std::function<void()>& operations) {
    // A record names addresses; memory given back since may be somebody else's now.
    if (releases_ != queue_->releases()) clear();
    const auto known = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.key == key; });
    if (known == entries_.end()) {
        operations();
        if (releases_ != queue_->releases()) clear();
        entries_.push_front({std::move(key), nullptr});
        if (entries_.size() > max_entries) {
            destroy(entries_.back().graph);
            entries_.pop_back();
        }
        return;
    }
    entries_.splice(entries_.begin(), entries_, known);
    if (known->graph == nullptr) known->graph = record(operations);
    check(cudaGraphLaunch(known->graph, queue_->stream()), "a recorded step");
}

cudaGraphExec_t GraphCache::record(const std::function<void()>& operations) const {
    check(cudaStreamBeginCapture(queue_->stream(), cudaStreamCaptureModeThreadLocal),
          "recording a step");
    cudaGraph_t graph = nullptr;
    try {
        operations();
    } catch (...) {
        (void)cudaStreamEndCapture(queue_->stream(), &graph);
        if (graph != nullptr) (void)cudaGraphDestroy(graph);
        throw;
    }
    check(cudaStreamEndCapture(queue_->stream(), &graph), "recording a step");
    cudaGraphExec_t made = nullptr;
    const cudaError_t error = cudaGraphInstantiate(&made, graph, 0);
    (void)cudaGraphDestroy(graph);
    check(error, "recording a step");
    return made;
}

void GraphCache::clear() {
    for (const Entry& entry : entries_) destroy(entry.graph);
    entries_.clear();
    releases_ = queue_->releases();
}

}  // namespace sipo::cuda
