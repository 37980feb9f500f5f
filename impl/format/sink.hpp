// Where a snapshot is written to: a file, or memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/file.hpp"

namespace sipo {

class Sink {
public:
    Sink() = default;
    virtual ~Sink() = default;
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;

    virtual void write(std::span<const std::byte> bytes) = 0;
    // Overwrites bytes that write() has already put down.
    virtual void patch(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
    [[nodiscard]] virtual std::uint64_t position() const = 0;
};

// The caller commits the file.
class FileSink final : public Sink {
public:
    explicit FileSink(AtomicFile& file) : file_(file) {}
    void write(std::span<const std::byte> bytes) override { file_.write(bytes); }
    void patch(std::uint64_t offset, std::span<const std::byte> bytes) override {
        file_.patch(offset, bytes);
    }
    [[nodiscard]] std::uint64_t position() const override { return file_.position(); }

private:
    AtomicFile& file_;
};

class MemorySink final : public Sink {
public:
    explicit MemorySink(std::size_t expected_bytes) { bytes_.reserve(expected_bytes); }
    void write(std::span<const std::byte> bytes) override {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void patch(std::uint64_t offset, std::span<const std::byte> bytes) override;
    [[nodiscard]] std::uint64_t position() const override { return bytes_.size(); }
    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

}  // namespace sipo
