#include "format/frame_codec.hpp"

#include <algorithm>
#include <new>

#include "base/error.hpp"
#include "format/byte_planes.hpp"

namespace sipo {
namespace {

constexpr int text_level = 12;  // of the tokenizer: small, and compressed once

void set(ZSTD_CCtx* context, ZSTD_cParameter parameter, int value) {
    const std::size_t result = ZSTD_CCtx_setParameter(context, parameter, value);
    if (ZSTD_isError(result)) fail(Code::internal, "zstd: ", ZSTD_getErrorName(result));
}

// Weights do not repeat, so a match found in them is an accident that costs more than it saves: at
// every level from 1 to 19, planes come out 2 to 6 % larger and decode up to half as fast as with
// almost no search. The smallest table and the longest minimal match leave the work to the entropy
// coder, and still find the long runs of constant tensors.
void choose_entropy_coding(ZSTD_CCtx* context) {
    set(context, ZSTD_c_strategy, ZSTD_fast);
    set(context, ZSTD_c_minMatch, 7);
    set(context, ZSTD_c_hashLog, 6);
    set(context, ZSTD_c_targetLength, 0);  // above 0, ZSTD_fast leaves literals uncompressed
}

}  // namespace

FrameEncoder::FrameEncoder() : context_(ZSTD_createCCtx()) {
    if (!context_) throw std::bad_alloc();
}

std::span<const std::byte> FrameEncoder::encode(std::span<const std::byte> raw, Encoding encoding,
                                                std::size_t element_bytes) {
    if (encoding == Encoding::raw) return raw;
    ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_and_parameters);
    set(context_.get(), ZSTD_c_checksumFlag, 1);
    if (encoding == Encoding::zstd) {
        set(context_.get(), ZSTD_c_compressionLevel, text_level);
        return compress(raw);
    }
    choose_entropy_coding(context_.get());
    if (planes_.size() < raw.size()) planes_.resize(raw.size());
    const auto planes = std::span(planes_).first(raw.size());
    split_planes(raw, element_bytes, planes);
    return compress(planes);
}

std::span<const std::byte> FrameEncoder::compress(std::span<const std::byte> bytes) {
    const std::size_t bound = ZSTD_compressBound(bytes.size());
    if (stored_.size() < bound) stored_.resize(bound);
    const std::size_t size =
        ZSTD_compress2(context_.get(), stored_.data(), bound, bytes.data(), bytes.size());
    if (ZSTD_isError(size)) fail(Code::internal, "zstd: ", ZSTD_getErrorName(size));
    return std::span(stored_).first(size);
}

FrameDecoder::FrameDecoder() : context_(ZSTD_createDCtx()) {
    if (!context_) throw std::bad_alloc();
}

void FrameDecoder::decode(std::span<const std::byte> stored, Encoding encoding,
                          std::size_t element_bytes, std::span<std::byte> out) {
    if (encoding == Encoding::raw) {
        if (stored.size() != out.size()) fail(Code::internal, "a raw frame of another size");
        std::copy(stored.begin(), stored.end(), out.begin());
    } else if (encoding == Encoding::zstd) {
        decompress(stored, out);
    } else {
        if (planes_.size() < out.size()) planes_.resize(out.size());
        const auto planes = std::span(planes_).first(out.size());
        decompress(stored, planes);
        merge_planes(planes, element_bytes, out);
    }
}

void FrameDecoder::decompress(std::span<const std::byte> stored, std::span<std::byte> out) {
    const unsigned long long stated = ZSTD_getFrameContentSize(stored.data(), stored.size());
    if (stated != out.size()) {
        fail(Code::corrupt_file, "a zstd frame does not hold the ", out.size(), " bytes it should");
    }
    const std::size_t size =
        ZSTD_decompressDCtx(context_.get(), out.data(), out.size(), stored.data(), stored.size());
    if (ZSTD_isError(size)) fail(Code::corrupt_file, "zstd: ", ZSTD_getErrorName(size));
    if (size != out.size()) fail(Code::corrupt_file, "zstd: a frame ends early");
}

}  // namespace sipo
