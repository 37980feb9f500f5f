// Writes a .sipo container in one streaming pass. The file appears when commit() returns; a writer
// that is destroyed before leaves nothing behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/dtype.hpp"
#include "format/architecture.hpp"
#include "format/calibration_profile.hpp"
#include "format/contents.hpp"

namespace sipo {

enum class Store : std::uint8_t {
    zstd,  // small: about two thirds of bf16 weights
    raw,   // usable through mmap without decoding
};

struct WriterOptions {
    Store store = Store::zstd;
    int threads = 1;  // that compress, the caller's included
};

class ContainerWriter {
public:
    ContainerWriter(const std::filesystem::path& path, const WriterOptions& options);
    ~ContainerWriter();
    ContainerWriter(const ContainerWriter&) = delete;
    ContainerWriter& operator=(const ContainerWriter&) = delete;

    void set_architecture(const Architecture& architecture);
    void set_provenance(const Provenance& provenance);
    void set_tokenizer(std::string_view json);
    // `bytes` are little-endian elements in row-major order, as many as `shape` says.
    void add_tensor(const std::string& name, DType dtype, std::span<const std::int64_t> shape,
                    std::span<const std::byte> bytes);
    void add_profile(const CalibrationProfile& profile);
    // Checks the result by the reader's own rules before it takes its name. The last call made.
    void commit();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace sipo
