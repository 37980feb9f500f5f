// What a container's header describes: the model's parameters and where each payload lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "format/architecture.hpp"
#include "format/calibration_profile.hpp"

namespace sipo {

enum class Encoding : std::uint8_t {
    raw = 0,          // the bytes themselves, usable through the mapping
    zstd = 1,         // independent zstd frames
    zstd_planes = 2,  // the same over byte planes (byte_planes.hpp)
};

// An independently readable piece of a payload. `checksum` is the XXH3-64 of the stored bytes.
struct Frame {
    std::uint64_t offset = 0;  // in the file, a multiple of 64
    std::uint64_t stored_bytes = 0;
    std::uint64_t raw_bytes = 0;  // at most 4 MiB
    std::uint64_t checksum = 0;
    bool operator==(const Frame&) const = default;
};

// A run of bytes cut into frames, in order and without gaps.
struct Payload {
    Encoding encoding = Encoding::raw;
    std::uint64_t raw_bytes = 0;
    std::vector<Frame> frames;  // empty when raw_bytes is 0
    bool operator==(const Payload&) const = default;
};

struct TensorEntry {
    std::string name;
    DType dtype = DType::f32;
    std::vector<std::int64_t> shape;  // row-major; empty for a scalar
    Payload payload;
    bool operator==(const TensorEntry&) const = default;
};

struct BlobEntry {
    std::string name;
    Payload payload;
    bool operator==(const BlobEntry&) const = default;
};

// A calibration_profile.hpp profile whose tables are still payloads of f32.
struct ProfileEntry {
    std::string name;
    std::int64_t training_length = 0;
    std::int64_t sequences = 0;
    double clamp = 0.0;
    std::int64_t layers = 0;
    std::int64_t channels = 0;
    std::vector<std::int64_t> lengths;
    Payload log_decay;
    Payload threshold_table;
    std::optional<ProfileSettings> settings;
    bool operator==(const ProfileEntry&) const = default;
};

// Where a container came from. Free text, shown to people and never interpreted.
struct Provenance {
    std::string source;    // the checkpoint's name
    std::string importer;  // program and version
    std::string note;
    bool operator==(const Provenance&) const = default;
};

struct Contents {
    Architecture architecture;
    Provenance provenance;
    std::vector<TensorEntry> tensors;
    std::vector<BlobEntry> blobs;
    std::vector<ProfileEntry> profiles;
    bool operator==(const Contents&) const = default;
};

}  // namespace sipo
