#include "import/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/quant.hpp"
#include "base/quote.hpp"
#include "format/container.hpp"
#include "format/widen.hpp"

namespace sipo {
namespace {

template <typename Block>
void quantize_row(std::span<const float> row, std::byte* out,
                  Block (*quantize)(std::span<const float>)) {
    for (std::size_t first = 0; first < row.size(); first += quant_block) {
        const std::size_t count = std::min<std::size_t>(quant_block, row.size() - first);
        const Block block = quantize(row.subspan(first, count));
        std::memcpy(out, &block, sizeof block);
        out += sizeof block;
    }
}

std::vector<std::byte> quantize_matrix(std::span<const float> values, std::int64_t rows,
                                       std::int64_t cols, DType type, ThreadPool& pool) {
    const auto bytes_a_row = static_cast<std::size_t>(row_bytes(type, cols));
    std::vector<std::byte> result(static_cast<std::size_t>(rows) * bytes_a_row);
    constexpr std::int64_t rows_a_task = 64;
    pool.run(static_cast<std::size_t>(ceil_div(rows, rows_a_task)), [&](std::size_t task) {
        const std::int64_t first = static_cast<std::int64_t>(task) * rows_a_task;
        for (std::int64_t r = first; r < std::min(first + rows_a_task, rows); ++r) {
            const auto row =
                values.subspan(static_cast<std::size_t>(r * cols), static_cast<std::size_t>(cols));
            std::byte* out = result.data() + static_cast<std::size_t>(r) * bytes_a_row;
            if (type == DType::q8) {
                quantize_row(row, out, &quantize_q8);
            } else {
                quantize_row(row, out, &quantize_q4);
            }
        }
    });
    return result;
}

std::vector<std::uint16_t> to_bf16(std::span<const float> values) {
    std::vector<std::uint16_t> result(values.size());
    std::transform(values.begin(), values.end(), result.begin(), float_to_bf16);
    return result;
}

// The elements of a stored tensor as f32; all finite.
std::vector<float> read_floats(const Container& container, const TensorEntry& entry,
                               ThreadPool& pool) {
    if (is_quantised(entry.dtype)) {
        fail(Code::unsupported, quote(entry.name), " is ", dtype_name(entry.dtype),
             " already; quantise a file with f32 or bf16 weights");
    }
    std::vector<float> values = widen(container.read(entry, pool), entry.dtype);
    const auto broken = std::find_if_not(values.begin(), values.end(),
                                         [](float value) { return std::isfinite(value); });
    if (broken != values.end()) {
        fail(Code::corrupt_file, quote(entry.name), " has the value ", *broken, " at element ",
             broken - values.begin(), "; weights must be finite");
    }
    return values;
}

void copy_tensor(const Container& container, const TensorSpec& spec, DType weights,
                 ContainerWriter& writer, ThreadPool& pool) {
    const TensorEntry& entry = container.require(spec.name, spec.shape);
    const DType wanted = stored_type(spec, weights);
    if (is_quantised(wanted)) {
        const std::vector<float> values = read_floats(container, entry, pool);
        add_weights(writer, spec, wanted, std::as_bytes(std::span(values)),
                    container.architecture(), pool);
    } else {
        writer.add_tensor(entry.name, entry.dtype, entry.shape, container.read(entry, pool));
    }
}

}  // namespace

void add_weights(ContainerWriter& writer, const TensorSpec& spec, DType dtype,
                 std::span<const std::byte> elements, const Architecture& architecture,
                 ThreadPool& pool) {
    if (!is_quantised(dtype)) {
        writer.add_tensor(spec.name, dtype, spec.shape, elements);
        return;
    }
    const std::span<const float> values(reinterpret_cast<const float*>(elements.data()),
                                        elements.size() / sizeof(float));
    const std::int64_t rows = spec.shape[0];
    const std::int64_t cols = spec.shape[1];
    writer.add_tensor(spec.name, dtype, spec.shape,
                      quantize_matrix(values, rows, cols, dtype, pool));
    if (architecture.family != Family::mamba2 || !spec.name.ends_with("in_proj.weight")) return;
    const std::vector<std::int64_t> shape{architecture.n_heads, cols};
    const auto dt_rows = values.last(static_cast<std::size_t>(architecture.n_heads * cols));
    const std::vector<std::uint16_t> precise = to_bf16(dt_rows);
    writer.add_tensor(delta_rows_name(spec.name), DType::bf16, shape,
                      std::as_bytes(std::span(precise)));
}

void quantize_container(const std::filesystem::path& in, const std::filesystem::path& out,
                        const QuantizeOptions& options, const ProgressFn& progress) {
    const Container container = Container::open(in);
    const std::vector<TensorSpec> specs = tensor_specs(container.architecture());
    std::uint64_t total = 0;
    for (const TensorSpec& spec : specs) {
        total += container.require(spec.name, spec.shape).payload.raw_bytes;
    }
    ThreadPool pool(options.threads);
    ContainerWriter writer(out, {.store = options.store, .threads = options.threads});
    writer.set_architecture(container.architecture());
    Provenance provenance = container.provenance();
    provenance.note = join("quantised to ", dtype_name(options.weights));
    writer.set_provenance(provenance);
    writer.set_tokenizer(container.tokenizer_json());
    std::uint64_t done = 0;
    for (const TensorSpec& spec : specs) {
        copy_tensor(container, spec, options.weights, writer, pool);
        done += container.find(spec.name)->payload.raw_bytes;
        report(progress, done, total);
    }
    for (const std::string& name : container.profile_names())
        writer.add_profile(container.profile(name));
    writer.commit();
}

}  // namespace sipo
