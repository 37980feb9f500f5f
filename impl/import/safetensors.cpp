#include "import/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/quote.hpp"
#include "import/named_ranges.hpp"

namespace sipo {
namespace {

constexpr std::uint64_t max_header_length = std::uint64_t{100} << 20;  // safetensors' own limit

std::uint64_t element_bytes(const std::string& dtype, const JsonObject& entry) {
    static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 15> sizes = {{
        {"BOOL", 1},
        {"U8", 1},
        {"I8", 1},
        {"F8_E4M3", 1},
        {"F8_E5M2", 1},
        {"U16", 2},
        {"I16", 2},
        {"F16", 2},
        {"BF16", 2},
        {"U32", 4},
        {"I32", 4},
        {"F32", 4},
        {"U64", 8},
        {"I64", 8},
        {"F64", 8},
    }};
    const auto* const found = std::find_if(sizes.begin(), sizes.end(),
                                           [&](const auto& size) { return size.first == dtype; });
    if (found == sizes.end()) {
        fail(Code::unsupported, entry.source(), " has the unknown dtype ", quote(dtype));
    }
    return found->second;
}

std::vector<std::int64_t> integers(const JsonObject& entry, const char* key) {
    std::vector<std::int64_t> values;
    for (const Json& item : entry.array(key)) {
        const std::int64_t value = json_integer(item, join(entry.source(), ": \"", key, "\""));
        if (value < 0) fail(Code::corrupt_file, entry.source(), ": \"", key, "\" has ", value);
        values.push_back(value);
    }
    return values;
}

void check_size(const JsonObject& entry, const SafetensorsEntry& tensor) {
    std::uint64_t bytes = element_bytes(tensor.dtype, entry);
    bool overflow = false;
    for (const std::int64_t size : tensor.shape) {
        overflow |= __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes);
    }
    if (overflow || bytes != tensor.data.size()) {
        fail(Code::corrupt_file, entry.source(), " has ", tensor.data.size(),
             " bytes, which is not what its shape and dtype say");
    }
}

SafetensorsEntry read_entry(const JsonObject& entry, std::span<const std::byte> data) {
    const std::vector<std::int64_t> offsets = integers(entry, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1] ||
        static_cast<std::uint64_t>(offsets[1]) > data.size()) {
        fail(Code::corrupt_file, entry.source(), ": \"data_offsets\" is no range inside the ",
             data.size(), " bytes of data");
    }
    const auto begin = static_cast<std::size_t>(offsets[0]);
    const auto end = static_cast<std::size_t>(offsets[1]);
    SafetensorsEntry tensor{.dtype = entry.text("dtype"),
                            .shape = integers(entry, "shape"),
                            .data = data.subspan(begin, end - begin)};
    check_size(entry, tensor);
    return tensor;
}

void check_overlaps(const std::map<std::string, SafetensorsEntry, std::less<>>& entries,
                    const std::string& source) {
    std::vector<NamedRange> ranges;
    for (const auto& [name, entry] : entries) ranges.push_back({name, entry.data});
    check_disjoint(std::move(ranges), source);
}

std::optional<DType> dtype_of(std::string_view safetensors_name) {
    if (safetensors_name == "F32") return DType::f32;
    if (safetensors_name == "BF16") return DType::bf16;
    if (safetensors_name == "F16") return DType::f16;
    return std::nullopt;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
    const std::string source = path.string();
    const auto bytes = file_.bytes();
    std::uint64_t length = 0;
    if (bytes.size() < sizeof length) {
        fail(Code::corrupt_file, source, " is no safetensors file: it has ", bytes.size(),
             " bytes");
    }
    std::memcpy(&length, bytes.data(), sizeof length);
    if (length > max_header_length || length > bytes.size() - sizeof length) {
        fail(Code::corrupt_file, source, " is no safetensors file: it states a header of ", length,
             " bytes");
    }
    const auto header = bytes.subspan(sizeof length, length);
    const auto data = bytes.subspan(sizeof length + length);
    const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
    const Json json = parse_json(text, source);
    const JsonObject names(json, source);
    for (const auto& [name, value] : names.value().items()) {
        if (name == "__metadata__") continue;
        const JsonObject entry(value, join(source, ": tensor ", quote(name)));
        entries_.emplace(name, read_entry(entry, data));
    }
    check_overlaps(entries_, source);
}

SourceTensors open_safetensors(const std::filesystem::path& path) {
    const auto file = std::make_shared<const SafetensorsFile>(path);
    SourceTensors tensors;
    for (const auto& [name, entry] : file->entries()) {
        tensors.emplace(name,
                        SourceTensor{.dtype = entry.dtype,
                                     .elements = dtype_of(entry.dtype),
                                     .shape = entry.shape,
                                     .file_bytes = entry.data.size(),
                                     .read = [file, data = entry.data](auto&) { return data; }});
    }
    return tensors;
}

}  // namespace sipo
