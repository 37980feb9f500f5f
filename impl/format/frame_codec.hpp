// One frame's bytes, encoded for the file and back. An encoder or decoder serves one thread at a
// time and keeps its buffers for the next frame.
#pragma once

#include <zstd.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "format/contents.hpp"

namespace sipo {

class FrameEncoder {
public:
    FrameEncoder();
    // Good until the next call, and as long as `raw`. `element_bytes` matters to zstd_planes only.
    [[nodiscard]] std::span<const std::byte> encode(std::span<const std::byte> raw,
                                                    Encoding encoding, std::size_t element_bytes);

private:
    struct Free {
        void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    };
    [[nodiscard]] std::span<const std::byte> compress(std::span<const std::byte> bytes);

    std::unique_ptr<ZSTD_CCtx, Free> context_;
    std::vector<std::byte> planes_;
    std::vector<std::byte> stored_;
};

class FrameDecoder {
public:
    FrameDecoder();
    // Fills `out` exactly, or throws Code::corrupt_file.
    void decode(std::span<const std::byte> stored, Encoding encoding, std::size_t element_bytes,
                std::span<std::byte> out);

private:
    struct Free {
        void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
    };
    void decompress(std::span<const std::byte> stored, std::span<std::byte> out);

    std::unique_ptr<ZSTD_DCtx, Free> context_;
    std::vector<std::byte> planes_;
};

}  // namespace sipo
