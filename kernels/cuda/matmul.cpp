#include "matmul.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/error.hpp"

namespace sipo::cuda {
namespace {

void check_blas(cublasStatus_t status, const char* what) {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    if (status == CUBLAS_STATUS_ALLOC_FAILED) {
        fail(Code::out_of_memory, "the CUDA device has no memory left for ", what);
    }
    fail(Code::backend_error, "cuBLAS failed at ", what, ": ", cublasLtGetStatusString(status));
}

cudaDataType_t data_type(DType type) { return type == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

// The largest power of two, up to 256, that divides an address.
int alignment(const void* data) {
    const auto address = reinterpret_cast<std::uintptr_t>(data) | 256U;
    return 1 << std::countr_zero(address);
}

using LayoutPtr = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>,
                                  decltype(&cublasLtMatrixLayoutDestroy)>;

// cuBLAS counts columns first: our rows are its columns.
LayoutPtr make_layout(DType type, std::int64_t rows, std::int64_t cols, std::int64_t stride) {
    cublasLtMatrixLayout_t layout = nullptr;
    check_blas(
        cublasLtMatrixLayoutCreate(&layout, data_type(type), static_cast<std::uint64_t>(cols),
                                   static_cast<std::uint64_t>(rows), stride),
        "a layout");
    return {layout, &cublasLtMatrixLayoutDestroy};
}

}  // namespace

struct Matmul::Plan {
    Plan(const Plane& in, const Weights& weights, const Plane& out)
        : left(make_layout(in.type, weights.rows, weights.cols, weights.stride)),
          right(make_layout(in.type, in.rows, in.cols, in.stride)),
          result(make_layout(out.type, out.rows, out.cols, out.stride)) {
        check_blas(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                   "a product");
        const cublasOperation_t transposed = CUBLAS_OP_T;
        check_blas(cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA,
                                                  &transposed, sizeof transposed),
                   "a product");
    }
    ~Plan() { (void)cublasLtMatmulDescDestroy(operation); }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    cublasLtMatmulDesc_t operation = nullptr;
    LayoutPtr left;   // weights
    LayoutPtr right;  // in
    LayoutPtr result;
};

Matmul::Matmul(Queue queue) : queue_(std::move(queue)), workspace_(queue_, workspace_bytes) {
    check_blas(cublasLtCreate(&handle_), "its start");
}

Matmul::~Matmul() { (void)cublasLtDestroy(handle_); }

const cublasLtMatmulAlgo_t& Matmul::algorithm(const Key& key, const Plan& plan, const Plane& in,
                                              const Plane& out) {
    const auto known = algorithms_.find(key);
    if (known != algorithms_.end()) return known->second;
    cublasLtMatmulPreference_t raw = nullptr;
    check_blas(cublasLtMatmulPreferenceCreate(&raw), "a preference");
    const std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                          decltype(&cublasLtMatmulPreferenceDestroy)>
        preference(raw, &cublasLtMatmulPreferenceDestroy);
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
        check_blas(cublasLtMatmulPreferenceSetAttribute(raw, attribute, &value, sizeof value),
                   "a preference");
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::size_t>(workspace_bytes));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(alignment(in.data)));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        static_cast<std::uint32_t>(alignment(out.data)));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
        static_cast<std::uint32_t>(alignment(out.data)));
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    check_blas(cublasLtMatmulAlgoGetHeuristic(handle_, plan.operation, plan.left.get(),
                                              plan.right.get(), plan.result.get(),
                                              plan.result.get(), raw, 1, &result, &found),
               "choosing a product");
    if (found == 0) fail(Code::backend_error, "cuBLAS has no product for these shapes");
    return algorithms_.emplace(key, result.algo).first->second;
}

void Matmul::run(const Plane& in, const Weights& weights, const Plane& out, bool add) {
    if (in.rows == 0) return;
    const Plan plan(in, weights, out);
    const Key key{in.rows,
                  weights.rows,
                  weights.cols,
                  static_cast<int>(in.type),
                  static_cast<int>(out.type),
                  in.stride,
                  weights.stride,
                  out.stride,
                  alignment(in.data),
                  alignment(out.data),
                  add};
    const float one = 1.0F;
    const float kept = add ? 1.0F : 0.0F;
    check_blas(
        cublasLtMatmul(handle_, plan.operation, &one, weights.codes, plan.left.get(), in.data,
                       plan.right.get(), &kept, out.data, plan.result.get(), out.data,
                       plan.result.get(), &algorithm(key, plan, in, out), workspace_.data(),
                       static_cast<std::size_t>(workspace_bytes), queue_->stream()),
        "a product");
}

}  // namespace sipo::cuda
