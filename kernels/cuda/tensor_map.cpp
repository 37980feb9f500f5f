#include "tensor_map.hpp"

#include <array>

#include "base/error.hpp"
#include "cuda_check.hpp"

namespace sipo::cuda {
namespace {

// The driver's own function, which the runtime knows: the plugin is not linked to the driver.
auto encoder() {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000,
                                           cudaEnableDefault, &result),
          "the driver's functions");
    if (found == nullptr || result != cudaDriverEntryPointSuccess) {
        fail(Code::backend_error,
             "the CUDA driver has no tensor maps; it is older than version 12");
    }
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
}

}  // namespace

CUtensorMap make_tensor_map(const Rows<const __nv_bfloat16>& matrix, std::int64_t rows,
                            std::int64_t cols, int tile_rows) {
    CUtensorMap map{};
    const std::array sizes{static_cast<cuuint64_t>(cols), static_cast<cuuint64_t>(rows)};
    const std::array strides{static_cast<cuuint64_t>(matrix.stride) * sizeof(__nv_bfloat16)};
    const std::array tile{static_cast<cuuint32_t>(map_columns), static_cast<cuuint32_t>(tile_rows)};
    const std::array<cuuint32_t, 2> steps{1, 1};
    const CUresult result = encoder()(
        &map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<__nv_bfloat16*>(matrix.data),
        sizes.data(), strides.data(), tile.data(), steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE,
        CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (result != CUDA_SUCCESS) {
        fail(Code::backend_error, "the CUDA driver refuses a tensor map, error ",
             static_cast<int>(result));
    }
    return map;
}

}  // namespace sipo::cuda
