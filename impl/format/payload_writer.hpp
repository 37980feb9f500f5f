// The part that all writers of containers share: payloads in frames, then header and prelude.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/file.hpp"
#include "base/thread_pool.hpp"
#include "format/contents.hpp"
#include "format/frame_codec.hpp"
#include "format/lending_pool.hpp"

namespace sipo {

class PayloadWriter {
public:
    PayloadWriter(const std::filesystem::path& path, int threads);

    // Elements of `element_bytes` in rows of `row_bytes`, which are not split over frames when one
    // fits.
    [[nodiscard]] Payload write(std::span<const std::byte> bytes, Encoding encoding,
                                std::size_t element_bytes, std::size_t row_bytes);
    // The same stored bytes as in the container mapped at `file`, at new offsets.
    [[nodiscard]] Payload copy(const Payload& payload, std::span<const std::byte> file);
    // Writes header and prelude and puts the file in place. What a reader would refuse is
    // Code::invalid_argument here.
    void commit(const Contents& contents);

private:
    [[nodiscard]] Frame append(std::span<const std::byte> stored, std::size_t raw_bytes);

    std::string source_;
    AtomicFile file_;
    ThreadPool pool_;
    LendingPool<FrameEncoder> encoders_;
};

}  // namespace sipo
