#include "format/container_writer.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/quote.hpp"
#include "format/layout.hpp"
#include "format/payload_writer.hpp"
#include "format/profile_payloads.hpp"

namespace sipo {
namespace {

constexpr std::size_t worth_compressing = 1024;  // bytes; below, a zstd frame saves nothing

Encoding encoding_for(Store store, std::size_t bytes, Encoding compressed) {
    return store == Store::raw || bytes < worth_compressing ? Encoding::raw : compressed;
}

std::int64_t checked_row_bytes(DType dtype, std::int64_t cols) {
    if (cols > max_row_elements) fail(Code::out_of_range, "a row of ", cols, " elements");
    return row_bytes(dtype, cols);
}

std::size_t bytes_of(std::span<const std::int64_t> shape, DType dtype) {
    std::size_t bytes = shape.empty() ? dtype_size(dtype) : 1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] < 0) fail(Code::invalid_argument, "a dimension of ", shape[i]);
        const bool last = i + 1 == shape.size();
        const std::int64_t factor = last ? checked_row_bytes(dtype, shape[i]) : shape[i];
        bytes = checked_mul(bytes, static_cast<std::size_t>(factor));
    }
    return bytes;
}

template <typename Entries>
void check_new(const Entries& entries, const std::string& name) {
    const bool taken = std::any_of(entries.begin(), entries.end(),
                                   [&](const auto& entry) { return entry.name == name; });
    if (taken) fail(Code::invalid_argument, quote(name), " was added before");
}

}  // namespace

struct ContainerWriter::State {
    PayloadWriter writer;
    Store store;
    Contents contents;
};

ContainerWriter::ContainerWriter(const std::filesystem::path& path, const WriterOptions& options)
    : state_(new State{PayloadWriter(path, options.threads), options.store, {}}) {}

ContainerWriter::~ContainerWriter() = default;

void ContainerWriter::set_architecture(const Architecture& architecture) {
    validate(architecture);
    state_->contents.architecture = architecture;
}

void ContainerWriter::set_provenance(const Provenance& provenance) {
    state_->contents.provenance = provenance;
}

void ContainerWriter::set_tokenizer(std::string_view json) {
    check_new(state_->contents.blobs, tokenizer_blob);
    const auto bytes = std::as_bytes(std::span(json));
    const Encoding encoding = encoding_for(state_->store, bytes.size(), Encoding::zstd);
    state_->contents.blobs.push_back({tokenizer_blob, state_->writer.write(bytes, encoding, 1, 1)});
}

void ContainerWriter::add_tensor(const std::string& name, DType dtype,
                                 std::span<const std::int64_t> shape,
                                 std::span<const std::byte> bytes) {
    check_new(state_->contents.tensors, name);
    if (bytes_of(shape, dtype) != bytes.size()) {
        fail(Code::invalid_argument, quote(name), " comes with ", bytes.size(),
             " bytes; its shape asks for ", bytes_of(shape, dtype));
    }
    const std::size_t row_size =
        shape.size() < 2 ? bytes.size() : bytes_of(shape.subspan(1), dtype);
    const Encoding compressed = is_quantised(dtype) ? Encoding::zstd : Encoding::zstd_planes;
    const Encoding encoding = encoding_for(state_->store, bytes.size(), compressed);
    state_->contents.tensors.push_back(
        {.name = name,
         .dtype = dtype,
         .shape = {shape.begin(), shape.end()},
         .payload = state_->writer.write(bytes, encoding, plane_count(dtype), row_size)});
}

void ContainerWriter::add_profile(const CalibrationProfile& profile) {
    validate(profile);
    check_new(state_->contents.profiles, profile.name);
    state_->contents.profiles.push_back(write_profile(state_->writer, profile));
}

void ContainerWriter::commit() {
    if (state_->contents.architecture.n_layers == 0) {
        fail(Code::invalid_state, "a container needs an architecture before it is committed");
    }
    state_->writer.commit(state_->contents);
}

}  // namespace sipo
