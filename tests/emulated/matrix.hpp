// Matrices whose ends are guarded.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "memory.hpp"

// Memory that ends before a page that nobody can touch, less than 256 bytes before it: kernels want borders.
class GuardedMemory {
public:
    explicit GuardedMemory(std::size_t bytes);
    [[nodiscard]] void* data() const { return data_; }

private:
    emulator::Mapping pages_;
    unsigned char* data_;
};

// [rows, cols] with `stride` elements from row to row; NaN in between.
template <typename T>
class Matrix {
public:
    Matrix() = default;
    Matrix(int row_count, int column_count, int stride)
        : rows_(row_count),
          cols_(column_count),
          stride_(stride),
          memory_(std::make_shared<GuardedMemory>(bytes())) {}
    Matrix(int row_count, int column_count) : Matrix(row_count, column_count, column_count) {}

    [[nodiscard]] int rows() const { return rows_; }
    [[nodiscard]] int cols() const { return cols_; }
    [[nodiscard]] int stride() const { return stride_; }
    [[nodiscard]] T* data() const { return static_cast<T*>(memory_->data()); }
    [[nodiscard]] T& at(int r, int c) const {
        return data()[std::size_t(r) * std::size_t(stride_) + std::size_t(c)];
    }
    [[nodiscard]] std::size_t bytes() const {
        return (std::size_t(rows_ - 1) * std::size_t(stride_) + std::size_t(cols_)) * sizeof(T);
    }
    // fn(element) of all.
    template <typename Function>
    void for_each(const Function& function) const {
        for (int r = 0; r < rows_; ++r)
            for (int c = 0; c < cols_; ++c) function(at(r, c));
    }
    [[nodiscard]] std::vector<double> values() const {
        std::vector<double> all;
        for_each([&](T v) { all.push_back(static_cast<double>(static_cast<float>(v))); });
        return all;
    }
    // The kernel must not change it from now on.
    void keep() { kept_.assign(bytes_begin(), bytes_begin() + bytes()); }
    [[nodiscard]] bool unchanged() const { return std::memcmp(kept_.data(), data(), bytes()) == 0; }

private:
    [[nodiscard]] const unsigned char* bytes_begin() const {
        return static_cast<unsigned char*>(memory_->data());
    }

    int rows_ = 0, cols_ = 0, stride_ = 0;
    std::shared_ptr<GuardedMemory> memory_;
    std::vector<unsigned char> kept_;
};

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    [[nodiscard]] float normal(double sigma, double mean) {
        return static_cast<float>(mean + sigma * distribution_(engine_));
    }
    [[nodiscard]] double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
    template <typename T>
    void fill(const Matrix<T>& m, double sigma, double mean = 0) {
        m.for_each([&](T& v) { v = T(normal(sigma, mean)); });
    }

private:
    std::mt19937_64 engine_;
    std::normal_distribution<double> distribution_;
};
