#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "base/error.hpp"
#include "base/quote.hpp"
#include "format/header.hpp"

namespace sipo {
namespace {

class Checker {
public:
    Checker(std::uint64_t payload_end, const std::string& source)
        : payload_end_(payload_end), source_(source) {}

    void check(const Contents& contents) {
        validate(contents.architecture);
        std::set<std::string_view> names;
        for (const TensorEntry& tensor : contents.tensors) {
            check_name(names, tensor.name);
            check(tensor);
        }
        names.clear();
        for (const BlobEntry& blob : contents.blobs) {
            check_name(names, blob.name);
            if (blob.payload.raw_bytes > max_blob_bytes)
                damaged(blob.name, "is larger than 64 MiB");
            check(blob.payload, 1, blob.name);
        }
        names.clear();
        for (const ProfileEntry& profile : contents.profiles) {
            check_name(names, profile.name);
            check(profile, contents.architecture);
        }
        check_overlaps();
        check_expansion();
    }

private:
    [[noreturn]] void damaged(std::string_view name, const char* what) const {
        fail(Code::corrupt_file, source_, ": ", quote(name), " ", what);
    }

    void check_name(std::set<std::string_view>& names, const std::string& name) const {
        const bool has_control = std::any_of(name.begin(), name.end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        });
        if (name.empty() || name.size() > max_name_bytes || has_control) {
            damaged(name, "is not a name: 1 to 255 bytes without control characters");
        }
        if (!names.insert(name).second) damaged(name, "is there twice");
    }

    // The product of `factors`, or damage when one is negative or the product does not fit.
    template <typename Factors>
    [[nodiscard]] std::uint64_t product(const Factors& factors, std::string_view name) const {
        std::uint64_t result = 1;
        for (const std::int64_t factor : factors) {
            if (factor < 0 ||
                __builtin_mul_overflow(result, static_cast<std::uint64_t>(factor), &result)) {
                damaged(name, "has an impossible shape");
            }
        }
        return result;
    }

    void check(const TensorEntry& tensor) {
        std::vector<std::int64_t> factors = tensor.shape;
        if (factors.empty()) factors.push_back(1);
        if (factors.back() > max_row_elements) damaged(tensor.name, "has an impossible shape");
        if (factors.back() > 0) factors.back() = row_bytes(tensor.dtype, factors.back());
        if (product(factors, tensor.name) != tensor.payload.raw_bytes) {
            damaged(tensor.name, "has another size than its shape says");
        }
        check(tensor.payload, plane_count(tensor.dtype), tensor.name);
    }

    void check(const ProfileEntry& profile, const Architecture& architecture) {
        if (profile.layers != architecture.n_layers ||
            profile.channels != architecture.delta_channels()) {
            fail(Code::corrupt_file, source_, ": profile ", quote(profile.name), " is for ",
                 profile.layers, " layers of ", profile.channels, " channels; the model has ",
                 architecture.n_layers, " of ", architecture.delta_channels());
        }
        constexpr std::int64_t element = sizeof(float);
        const auto lengths = static_cast<std::int64_t>(profile.lengths.size());
        const std::initializer_list<std::int64_t> decay = {profile.layers, profile.channels,
                                                           element};
        const std::initializer_list<std::int64_t> table = {profile.layers, profile.channels,
                                                           lengths, element};
        if (lengths == 0 || product(decay, profile.name) != profile.log_decay.raw_bytes ||
            product(table, profile.name) != profile.threshold_table.raw_bytes) {
            damaged(profile.name, "has tables of another size than its shape says");
        }
        check(profile.log_decay, sizeof(float), profile.name);
        check(profile.threshold_table, sizeof(float), profile.name);
    }

    void check(const Payload& payload, std::size_t element_bytes, std::string_view name) {
        std::uint64_t sum = 0;
        for (const Frame& frame : payload.frames) {
            check(frame, payload.encoding, element_bytes, name);
            sum += frame.raw_bytes;  // cannot wrap: fewer than 2^58 frames of at most 2^22
            frames_.emplace_back(frame.offset, frame.offset + frame.stored_bytes);
        }
        if (sum != payload.raw_bytes) damaged(name, "has frames that do not add up to its size");
        raw_total_ += sum;
    }

    void check(const Frame& frame, Encoding encoding, std::size_t element_bytes,
               std::string_view name) const {
        if (frame.raw_bytes == 0 || frame.raw_bytes > max_frame_bytes || frame.stored_bytes == 0) {
            damaged(name, "has a frame of impossible size");
        }
        if (frame.offset % payload_alignment != 0) damaged(name, "has a misaligned frame");
        if (frame.offset < prelude_bytes || frame.offset > payload_end_ ||
            frame.stored_bytes > payload_end_ - frame.offset) {
            damaged(name, "has a frame outside the file");
        }
        if (encoding == Encoding::raw && frame.stored_bytes != frame.raw_bytes) {
            damaged(name, "has a raw frame stored in another size");
        }
        if (encoding == Encoding::zstd_planes &&
            (element_bytes == 1 || frame.raw_bytes % element_bytes != 0)) {
            damaged(name, "has byte planes of broken elements");
        }
    }

    // Without this, a small file could claim the same bytes as many tensors.
    void check_overlaps() {
        std::sort(frames_.begin(), frames_.end());
        const auto clash = std::adjacent_find(
            frames_.begin(), frames_.end(),
            [](const auto& left, const auto& right) { return left.second > right.first; });
        if (clash != frames_.end()) {
            fail(Code::corrupt_file, source_, ": frames overlap at byte ", clash->first);
        }
    }

    void check_expansion() const {
        const std::uint64_t limit = free_expansion_bytes + max_expansion * payload_end_;
        if (raw_total_ > limit) {
            fail(Code::corrupt_file, source_, " claims ", raw_total_,
                 " bytes of content; a file of its size may hold ", limit);
        }
    }

    std::uint64_t payload_end_;
    const std::string& source_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> frames_;  // begin, end
    std::uint64_t raw_total_ = 0;
};

}  // namespace

void check_contents(const Contents& contents, std::uint64_t payload_end,
                    const std::string& source) {
    Checker(payload_end, source).check(contents);
}

}  // namespace sipo
