// Matrix products of many rows through cuBLASLt: out = in · weightsᵀ, or out += in · weightsᵀ.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <map>
#include <tuple>

#include "cuda_buffer.hpp"
#include "device.hpp"

namespace sipo::cuda {

class Matmul {
public:
    // cuBLAS asks for 32 MiB on Hopper; half of it costs nothing at these shapes and every session has
    // one.
    static constexpr std::int64_t workspace_bytes = std::int64_t{16} << 20;

    explicit Matmul(Queue queue);
    ~Matmul();
    Matmul(const Matmul&) = delete;
    Matmul& operator=(const Matmul&) = delete;

    // in and weights of one type, f32 or bf16; out f32, or bf16 like them. Sums are float32. f32
    // products are exact float32, not the tensor cores' shorter one.
    void run(const Plane& in, const Weights& weights, const Plane& out, bool add);

private:
    struct Plan;
    // rows, outputs, inputs, types, strides, alignments, add
    using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, int, int, std::int64_t,
                           std::int64_t, std::int64_t, int, int, bool>;
    [[nodiscard]] const cublasLtMatmulAlgo_t& algorithm(const Key& key, const Plan& plan,
                                                        const Plane& in, const Plane& out);

    Queue queue_;
    cublasLtHandle_t handle_ = nullptr;
    DeviceMemory workspace_;
    std::map<Key, cublasLtMatmulAlgo_t> algorithms_;
};

}  // namespace sipo::cuda
