// Stands for the driver's header: a tensor map says where the matrix is.
#pragma once
#include <cstdint>

struct __nv_bfloat16;
struct CUtensorMap {
    const __nv_bfloat16* data = nullptr;
    std::int64_t stride = 0, rows = 0, cols = 0;
    int tile_rows = 0;
};
