#include "model/model.hpp"

#include <atomic>
#include <thread>
#include <utility>

#include "base/error.hpp"

namespace sipo {
namespace {

std::int64_t elements(const TensorEntry& entry) {
    std::int64_t count = 1;
    for (const std::int64_t size : entry.shape) count *= size;
    return count;
}

std::uint64_t bytes_with_prefix(const Container& container, const std::string& prefix) {
    std::uint64_t bytes = 0;
    for (const TensorEntry& entry : container.tensors()) {
        if (entry.name.starts_with(prefix)) bytes += entry.payload.raw_bytes;
    }
    return bytes;
}

// Counts bytes on all threads and reports them on the one that asked.
class LoadProgress {
public:
    LoadProgress(const ProgressFn& progress, std::uint64_t total)
        : progress_(progress), total_(total), caller_(std::this_thread::get_id()) {}
    void add(std::uint64_t bytes) {
        const std::uint64_t done = done_.fetch_add(bytes) + bytes;
        if (std::this_thread::get_id() == caller_) report(progress_, done, total_);
    }

private:
    const ProgressFn& progress_;
    std::uint64_t total_;
    std::thread::id caller_;
    std::atomic<std::uint64_t> done_{0};
};

}  // namespace

Model::Model(const Container& container, backend::BackendPtr backend, int threads,
             const ProgressFn& progress)
    : arch_(container.architecture()),
      backend_(std::move(backend)),
      blocks_(static_cast<std::size_t>(arch_.n_layers)) {
    WeightSource source(container, *backend_);
    LoadProgress loaded(progress, bytes_with_prefix(container, ""));
    final_norm_ = source.vector("backbone.norm_f.weight", arch_.d_model);
    const auto make_block = arch_.is_mamba1() ? &make_mamba1_block : &make_mamba2_block;
    // The embedding is the longest task, so it comes first.
    ThreadPool pool(threads);
    pool.run(blocks_.size() + 2, [&](std::size_t task) {
        if (task == 0) {
            const std::string name = "backbone.embeddings.weight";
            embedding_ = source.matrix(name, arch_.vocab_size, arch_.d_model);
            loaded.add(bytes_with_prefix(container, name));
        } else if (task == 1) {
            if (arch_.tied_head) return;
            const std::string name = "lm_head.weight";
            head_ = source.matrix(name, arch_.vocab_size, arch_.d_model);
            loaded.add(bytes_with_prefix(container, name));
        } else {
            const auto layer = static_cast<std::int64_t>(task - 2);
            blocks_[task - 2] = make_block(arch_, source, layer);
            loaded.add(bytes_with_prefix(container, join("backbone.layers.", layer, ".")));
        }
    });
    report(progress, bytes_with_prefix(container, ""), bytes_with_prefix(container, ""));
    for (const TensorEntry& entry : container.tensors()) parameters_ += elements(entry);
    weights_type_ = container.find("backbone.embeddings.weight")->dtype;
}

// The norms inside FalconMamba's mixer read f32.
DType Model::activations() const {
    const bool precise = weights_type_ == DType::f32 || arch_.family == Family::falcon_mamba;
    return precise ? DType::f32 : DType::bf16;
}

backend::StreamWork Model::work(std::int64_t rows, std::int64_t logits) const {
    backend::StreamWork work;
    work.rows = rows;
    work.logits = logits;
    work.activations = activations();
    for (const auto& block : blocks_) block->add_products(work.products);
    work.head = &head();
    work.d_model = arch_.d_model;
    work.d_inner = arch_.d_inner;
    work.d_state = arch_.d_state;
    if (arch_.is_mamba1()) return work;
    work.heads = {.n_heads = arch_.n_heads,
                  .head_dim = arch_.head_dim,
                  .n_groups = arch_.n_groups,
                  .d_state = arch_.d_state};
    return work;
}

std::int64_t Model::weight_bytes() const {
    std::int64_t bytes = embedding_->bytes() + (head_ ? head_->bytes() : 0) +
                         arch_.d_model * std::int64_t{sizeof(float)};
    for (const auto& block : blocks_) bytes += block->bytes();
    return bytes;
}

}  // namespace sipo
