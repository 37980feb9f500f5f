#include "graph_cache.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "cuda_check.hpp"

namespace sipo::cuda {
namespace {

// Compositions of a batch that are worth keeping.
constexpr std::size_t max_entries = 16;

void destroy(cudaGraphExec_t graph) {
    if (graph != nullptr) (void)cudaGraphExecDestroy(graph);
}

}  // namespace

void GraphCache::run(Key key, const std::function<void()>& operations) {
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
    if (known->graph == nullptr) return operations();
    check(cudaGraphLaunch(known->graph, queue_->stream()), "a recorded step");
}

// On a stream of its own, which nothing else waits for. Other threads can still disturb a recording;
// that is no error: nothing has been computed, so the caller runs the operations as they are, meets
// what is a real fault there, and the next step tries again.
cudaGraphExec_t GraphCache::record(const std::function<void()>& operations) const {
    cudaStream_t recorder = nullptr;
    check(cudaStreamCreateWithFlags(&recorder, cudaStreamNonBlocking), "a stream");
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t made = nullptr;
    if (cudaStreamBeginCapture(recorder, cudaStreamCaptureModeThreadLocal) == cudaSuccess) {
        bool complete = true;
        queue_->redirect(recorder);
        try {
            operations();
        } catch (const Error&) {
            complete = false;
        }
        queue_->redirect(nullptr);
        complete = cudaStreamEndCapture(recorder, &graph) == cudaSuccess && complete;
        if (complete && cudaGraphInstantiate(&made, graph, 0) != cudaSuccess) made = nullptr;
        if (graph != nullptr) (void)cudaGraphDestroy(graph);
    }
    (void)cudaStreamDestroy(recorder);
    if (made == nullptr) (void)cudaGetLastError();
    return made;
}

void GraphCache::clear() {
    for (const Entry& entry : entries_) destroy(entry.graph);
    entries_.clear();
    releases_ = queue_->releases();
}

}  // namespace sipo::cuda
