#include "model/weight_source.hpp"

#include <cmath>
#include <span>

#include "base/error.hpp"
#include "base/quote.hpp"
#include "format/widen.hpp"

namespace sipo {
namespace {

std::vector<float> widen_precise(const std::string& name, std::span<const std::byte> raw,
                                 DType type) {
    if (is_quantised(type)) {
        fail(Code::unsupported, "tensor ", quote(name), " is ", dtype_name(type),
             "; only the large matrices may be");
    }
    return widen(raw, type);
}

std::vector<float> transpose(std::span<const float> in, std::int64_t rows, std::int64_t cols) {
    std::vector<float> out(in.size());
    for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < cols; ++c) {
            out[static_cast<std::size_t>(c * rows + r)] =
                in[static_cast<std::size_t>(r * cols + c)];
        }
    }
    return out;
}

}  // namespace

std::vector<std::byte> WeightSource::bytes(const TensorEntry& entry) const {
    // Single-threaded: the loader reads several tensors at once instead.
    ThreadPool self(1);
    return container_.read(entry, self);
}

std::vector<float> WeightSource::floats(const std::string& name,
                                        const std::vector<std::int64_t>& shape) const {
    const TensorEntry& entry = container_.require(name, shape);
    return widen_precise(name, bytes(entry), entry.dtype);
}

backend::MatrixPtr WeightSource::matrix(const std::string& name, std::int64_t rows,
                                        std::int64_t cols, bool precise) const {
    const std::vector<std::int64_t> shape{rows, cols};
    const TensorEntry& entry = container_.require(name, shape);
    if (held_type(entry.dtype, precise) == entry.dtype) {
        return backend_.upload_matrix(rows, cols, entry.dtype, bytes(entry));
    }
    const std::vector<float> values = widen_precise(name, bytes(entry), entry.dtype);
    return backend_.upload_matrix(rows, cols, DType::f32, std::as_bytes(std::span(values)));
}

backend::BufferPtr WeightSource::vector(const std::string& name, std::int64_t size) const {
    return backend_.upload_table(1, size, floats(name, {size}));
}

backend::BufferPtr WeightSource::ones(std::int64_t size) const {
    return backend_.upload_table(1, size, std::vector<float>(static_cast<std::size_t>(size), 1.0F));
}

backend::BufferPtr WeightSource::transposed(const std::string& name, std::int64_t rows,
                                            std::int64_t cols) const {
    return transposed_table(floats(name, {rows, cols}), rows, cols);
}

std::vector<float> WeightSource::negative_exp(const std::string& name,
                                              const std::vector<std::int64_t>& shape) const {
    std::vector<float> values = floats(name, shape);
    for (float& value : values) value = -std::exp(value);
    return values;
}

backend::BufferPtr WeightSource::transposed_table(std::span<const float> values, std::int64_t rows,
                                                  std::int64_t cols) const {
    return backend_.upload_table(cols, rows, transpose(values, rows, cols));
}

}  // namespace sipo
