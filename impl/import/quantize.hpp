// Block-quantised weights (base/quant.hpp): matrices on their way into a container, and whole
// containers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "base/progress.hpp"
#include "base/thread_pool.hpp"
#include "format/container_writer.hpp"

namespace sipo {

// Adds a tensor in the type `dtype`, from f32 elements where that is quantised and from its own
// elements where it is not. A quantised Mamba-2 in_proj also gets its dt rows in bf16, under the
// name of delta_rows_name(): Δ stays precise.
void add_weights(ContainerWriter& writer, const TensorSpec& spec, DType dtype,
                 std::span<const std::byte> elements, const Architecture& architecture,
                 ThreadPool& pool);

struct QuantizeOptions {
    DType weights = DType::q8;  // or q4
    Store store = Store::zstd;
    int threads = 1;
};

// Writes the container `in`, whose weights are f32 or bf16, with quantised weights to `out`.
// Tokenizer and calibration profiles go along. On any error `out` is as it was. Progress counts
// bytes read.
void quantize_container(const std::filesystem::path& in, const std::filesystem::path& out,
                        const QuantizeOptions& options, const ProgressFn& progress = {});

}  // namespace sipo
