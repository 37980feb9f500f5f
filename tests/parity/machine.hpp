// What the operation tests share: random inputs, a backend with its stream and buffers, the
// backends to judge (subject.hpp), and the comparison of two results.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "reference_backend.hpp"
#include "subject.hpp"

namespace sipo::parity {

using backend::Buffer;
using backend::Matrix;
using backend::View;

// A matrix on the host.
struct Values {
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::vector<float> data;

    Values(std::int64_t row_count, std::int64_t col_count, float value = 0.0F)
        : rows(row_count), cols(col_count), data(static_cast<std::size_t>(rows * cols), value) {}
    float& operator()(std::int64_t r, std::int64_t c) {
        return data[static_cast<std::size_t>(r * cols + c)];
    }
    float operator()(std::int64_t r, std::int64_t c) const {
        return data[static_cast<std::size_t>(r * cols + c)];
    }
};

// Uniform in [low, high).
class RandomValues {
public:
    explicit RandomValues(std::uint64_t seed) : random_(seed) {}
    Values operator()(std::int64_t rows, std::int64_t cols, double low = -1.0, double high = 1.0) {
        Values values(rows, cols);
        for (float& value : values.data) {
            value = static_cast<float>(low + (high - low) * random_.uniform());
        }
        return values;
    }
    std::vector<std::int32_t> ids(std::int64_t count, std::int64_t bound) {
        std::vector<std::int32_t> result(static_cast<std::size_t>(count));
        for (std::int32_t& id : result) {
            id = static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(bound)));
        }
        return result;
    }
    // About half of 0 .. count - 1, ascending; never none.
    std::vector<std::int64_t> subset(std::int64_t count) {
        std::vector<std::int64_t> rows;
        for (std::int64_t i = 0; i < count; ++i) {
            if (random_.uniform() < 0.5) rows.push_back(i);
        }
        if (rows.empty()) rows.push_back(count - 1);
        return rows;
    }

private:
    SplitMix64 random_;
};

// The value as a buffer of that type keeps it.
inline float stored_as(DType type, float value) {
    return type == DType::bf16 ? bf16_to_float(float_to_bf16(value)) : value;
}

// A backend, a stream and the buffers of one computation. Matrices of tokens lie inside wider
// buffers, as the model's do, and what lies around them must stay as it was. They are kept as
// `activations`, or as f32 where the model needs that (residual stream, logits, Δ of Mamba-2).
// Inputs are rounded before they are uploaded: every backend computes from the same numbers.
class Machine {
public:
    Machine(backend::BackendPtr backend, int threads, DType activations = DType::f32)
        : backend_(std::move(backend)),
          stream_(backend_->open_stream(threads)),
          activations_(activations) {}

    backend::Stream& operator*() { return *stream_; }
    backend::Stream* operator->() { return stream_.get(); }

    View tokens(const Values& values) { return tokens(values, activations_); }
    View tokens(const Values& values, DType type) {
        const View inside = tokens(values.rows, values.cols, type);
        std::vector<float> rounded(values.data);
        for (float& value : rounded) value = stored_as(type, value);
        stream_->upload(rounded, inside);
        return inside;
    }
    View tokens(std::int64_t rows, std::int64_t cols) { return tokens(rows, cols, activations_); }
    View tokens(std::int64_t rows, std::int64_t cols, DType type) {
        const Values fence(rows + 2, cols + left + right, fence_value);
        Buffer& buffer = *buffers_.emplace_back(stream_->allocate(fence.rows, fence.cols, type));
        stream_->upload(fence.data, View(buffer));
        return View(buffer).row_range(1, rows).col_range(left, cols);
    }
    // Alone in a buffer, as the model's scratch is.
    View scratch(std::int64_t rows, std::int64_t cols) {
        return View(*buffers_.emplace_back(stream_->allocate(rows, cols, activations_)));
    }
    // States, scores and tables are buffers of their own.
    View whole(const Values& values) {
        Buffer& buffer = *buffers_.emplace_back(stream_->allocate(values.rows, values.cols));
        stream_->upload(values.data, View(buffer));
        return View(buffer);
    }
    const Buffer& table(const Values& values) {
        return *buffers_.emplace_back(
            backend_->upload_table(values.rows, values.cols, values.data));
    }
    const Matrix& weights(const Values& values, DType type) {
        return *matrices_.emplace_back(
            backend_->upload_matrix(values.rows, values.cols, type, stored(values, type)));
    }
    Values values(const View& view) {
        expect_fence(view);
        Values result(view.rows, view.cols);
        stream_->download(view, result.data);
        return result;
    }

private:
    template <typename Element>
    static void put(std::byte*& to, const Element& value) {
        std::memcpy(to, &value, sizeof value);
        to += sizeof value;
    }

    // The elements of a matrix as a container stores them.
    static std::vector<std::byte> stored(const Values& values, DType type) {
        std::vector<std::byte> bytes(
            static_cast<std::size_t>(values.rows * row_bytes(type, values.cols)));
        std::byte* to = bytes.data();
        for (std::int64_t r = 0; r < values.rows; ++r) {
            const std::span row(values.data.data() + r * values.cols,
                                static_cast<std::size_t>(values.cols));
            const std::size_t step = is_quantised(type) ? std::size_t{quant_block} : 1;
            for (std::size_t k = 0; k < row.size(); k += step) {
                const auto part = row.subspan(k, std::min(step, row.size() - k));
                if (type == DType::f32) put(to, part[0]);
                if (type == DType::bf16) put(to, float_to_bf16(part[0]));
                if (type == DType::q8) put(to, quantize_q8(part));
                if (type == DType::q4) put(to, quantize_q4(part));
            }
        }
        return bytes;
    }

    static constexpr float fence_value = 12352.0F;  // a bf16
    static constexpr std::int64_t left = 3;
    static constexpr std::int64_t right = 5;

    void expect_fence(const View& view) {
        if (view.buffer->cols() == view.cols) return;
        Values all(view.buffer->rows(), view.buffer->cols());
        stream_->download(View(*view.buffer), all.data);
        for (std::int64_t r = 0; r < all.rows; ++r) {
            for (std::int64_t c = 0; c < all.cols; ++c) {
                const bool inside =
                    r >= 1 && r <= all.rows - 2 && c >= left && c < all.cols - right;
                ASSERT_TRUE(inside || all(r, c) == fence_value) << "written beside the output";
            }
        }
    }

    backend::BackendPtr backend_;
    backend::StreamPtr stream_;
    DType activations_;
    std::vector<backend::BufferPtr> buffers_;
    std::vector<backend::MatrixPtr> matrices_;
};

// Uploads its inputs to a machine, computes, and returns all outputs.
using Operation = std::function<std::vector<Values>(Machine& machine)>;

inline std::vector<Values> run(const Operation& operation, backend::BackendPtr backend,
                               int threads = 1, DType activations = DType::f32) {
    Machine machine(std::move(backend), threads, activations);
    return operation(machine);
}

// Every element within `tolerance` of the expected one, relative to it or, where it is smaller than
// most, to the root mean square of all: a sum of many terms is as exact as its terms are large.
inline void expect_close(const Values& actual, const Values& expected, double tolerance) {
    ASSERT_EQ(actual.rows, expected.rows);
    ASSERT_EQ(actual.cols, expected.cols);
    double squares = 0.0;
    for (const float value : expected.data) squares += static_cast<double>(value) * value;
    const double typical = std::sqrt(squares / static_cast<double>(expected.data.size()));
    for (std::int64_t r = 0; r < expected.rows; ++r) {
        for (std::int64_t c = 0; c < expected.cols; ++c) {
            const double wanted = expected(r, c);
            const double bound = tolerance * std::max(std::abs(wanted), typical);
            ASSERT_NEAR(actual(r, c), wanted, bound) << "at row " << r << ", column " << c;
        }
    }
}

inline void expect_same_bits(const Values& actual, const Values& expected) {
    ASSERT_EQ(actual.rows, expected.rows);
    ASSERT_EQ(actual.cols, expected.cols);
    for (std::int64_t r = 0; r < expected.rows; ++r) {
        for (std::int64_t c = 0; c < expected.cols; ++c) {
            ASSERT_EQ(std::bit_cast<std::uint32_t>(actual(r, c)),
                      std::bit_cast<std::uint32_t>(expected(r, c)))
                << actual(r, c) << " is not " << expected(r, c) << " at row " << r << ", column "
                << c;
        }
    }
}

inline void expect_same_bits(const std::vector<Values>& actual,
                             const std::vector<Values>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) expect_same_bits(actual[i], expected[i]);
}

inline void expect_close(const std::vector<Values>& actual, const std::vector<Values>& expected,
                         double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        SCOPED_TRACE(join("output ", i));
        expect_close(actual[i], expected[i], tolerance);
        if (testing::Test::HasFatalFailure()) return;
    }
}

// A test that runs once for each subject.
class EverySubject : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        subject_ = make_subject(GetParam());
        if (subject_.backend == nullptr) GTEST_SKIP() << "this machine has no " << GetParam();
    }

    [[nodiscard]] std::vector<Values> run_subject(const Operation& operation,
                                                  int threads = 1) const {
        return run(operation, subject_.backend, threads, subject_.activations);
    }

    // The subject gives what the reference gives, and the same bits again, on three threads.
    void expect_parity(const Operation& operation, double tolerance) const {
        const std::vector<Values> expected =
            run(operation, make_reference_backend(), 1, subject_.activations);
        const std::vector<Values> actual = run_subject(operation);
        expect_close(actual, expected, tolerance);
        if (testing::Test::HasFatalFailure()) return;
        SCOPED_TRACE("three threads");
        expect_same_bits(run_subject(operation, 3), actual);
    }

    // Two ways to the same result: the same bits where the subject promises that.
    void expect_same(const std::vector<Values>& actual, const std::vector<Values>& expected,
                     double tolerance) const {
        if (subject_.same_bits_however_cut) {
            expect_same_bits(actual, expected);
        } else {
            expect_close(actual, expected, tolerance);
        }
    }

    Subject subject_;
};

inline std::string test_name(const testing::TestParamInfo<std::string>& subject) {
    return subject.param;
}

}  // namespace sipo::parity

// Once for each subject, named after it.
#define SIPO_FOR_EVERY_SUBJECT(suite)                                                     \
    INSTANTIATE_TEST_SUITE_P(On, suite, testing::ValuesIn(sipo::parity::subject_names()), \
                             sipo::parity::test_name)
