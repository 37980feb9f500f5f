#include "import/gguf/gguf_file.hpp"

#include <bit>
#include <optional>
#include <utility>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/quote.hpp"
#include "import/byte_reader.hpp"
#include "import/named_ranges.hpp"

namespace sipo {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint64_t max_values = 65536;
constexpr std::uint64_t max_tensors = 262144;
constexpr std::uint64_t max_name = 1024;
constexpr std::uint64_t max_alignment = 65536;
constexpr std::uint32_t max_dimensions = 4;

struct Header {
    std::uint64_t tensors = 0;
    std::uint64_t values = 0;
};

// Bytes of a value of fixed size; nothing for texts and arrays.
std::optional<std::uint64_t> size_of(GgufType type) {
    switch (type) {
        case GgufType::u8:
        case GgufType::i8:
        case GgufType::boolean: return 1;
        case GgufType::u16:
        case GgufType::i16: return 2;
        case GgufType::u32:
        case GgufType::i32:
        case GgufType::f32: return 4;
        case GgufType::u64:
        case GgufType::i64:
        case GgufType::f64: return 8;
        default: return std::nullopt;
    }
}

Header read_header(ByteReader& in) {
    if (in.left() < 4 || in.text(4) != "GGUF") {
        fail(Code::corrupt_file, in.source(), " is neither a directory nor a GGUF file");
    }
    const auto version = in.number<std::uint32_t>();
    if (version != 2 && version != 3) {
        fail(Code::unsupported, in.source(), " is GGUF of version ", version,
             "; 2 and 3, little-endian, are read");
    }
    Header header;
    header.tensors = in.number<std::uint64_t>();
    header.values = in.number<std::uint64_t>();
    if (header.tensors > max_tensors || header.values > max_values) {
        fail(Code::unsupported, in.source(), " states ", header.tensors, " tensors and ",
             header.values, " values; the limits are ", max_tensors, " and ", max_values);
    }
    return header;
}

std::string read_name(ByteReader& in) {
    const auto bytes = in.number<std::uint64_t>();
    if (bytes > max_name) {
        fail(Code::corrupt_file, in.source(), ", byte ", in.position(), ": a name of ", bytes,
             " bytes; the limit is ", max_name);
    }
    return in.text(bytes);
}

GgufType read_type(ByteReader& in) {
    const auto type = in.number<std::uint32_t>();
    if (type > static_cast<std::uint32_t>(GgufType::f64)) {
        fail(Code::corrupt_file, in.source(), ", byte ", in.position(), ": a value of type ", type);
    }
    return static_cast<GgufType>(type);
}

// Moves `in` past `count` elements and hands out what they take.
Bytes take_elements(ByteReader& in, GgufType type, std::uint64_t count) {
    if (const auto size = size_of(type)) return in.take(checked_mul(count, *size));
    if (type != GgufType::text) {
        fail(Code::unsupported, in.source(), ", byte ", in.position(), ": an array of arrays");
    }
    ByteReader ahead = in;
    for (std::uint64_t i = 0; i < count; ++i) ahead.take(ahead.number<std::uint64_t>());
    return in.take(ahead.position() - in.position());
}

GgufValue read_value(ByteReader& in) {
    GgufValue value;
    value.type = read_type(in);
    if (value.type == GgufType::array) {
        value.is_array = true;
        value.type = read_type(in);
        value.count = in.number<std::uint64_t>();
    }
    value.bytes = take_elements(in, value.type, value.count);
    return value;
}

struct TensorPlace {
    std::string name;
    GgufTensor tensor;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

TensorPlace read_place(ByteReader& in) {
    TensorPlace place;
    place.name = read_name(in);
    const auto dimensions = in.number<std::uint32_t>();
    if (dimensions > max_dimensions) {
        fail(Code::corrupt_file, in.source(), ": tensor ", quote(place.name), " has ", dimensions,
             " dimensions");
    }
    std::vector<std::int64_t>& shape = place.tensor.shape;
    shape.resize(dimensions);
    std::uint64_t elements = 1;
    for (std::size_t i = dimensions; i-- > 0;) {
        shape[i] = in.number<std::int64_t>();
        if (shape[i] < 0) {
            fail(Code::corrupt_file, in.source(), ": tensor ", quote(place.name),
                 " has a dimension of ", shape[i]);
        }
        elements = checked_mul(elements, static_cast<std::uint64_t>(shape[i]));
    }
    const auto id = in.number<std::uint32_t>();
    place.tensor.type = find_ggml_type(id);
    if (place.tensor.type == nullptr) {
        fail(Code::unsupported, in.source(), ": tensor ", quote(place.name), " has ggml's type ",
             id, "; ", ggml_type_names(), " are read");
    }
    const auto block = static_cast<std::uint64_t>(place.tensor.type->block_elements);
    const auto row = static_cast<std::uint64_t>(shape.empty() ? 1 : shape.back());
    if (row % block != 0) {
        fail(Code::corrupt_file, in.source(), ": tensor ", quote(place.name), " has rows of ", row,
             " elements, which are no whole blocks of ", block);
    }
    place.bytes =
        checked_mul(elements / block, static_cast<std::uint64_t>(place.tensor.type->block_bytes));
    place.offset = in.number<std::uint64_t>();
    return place;
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) : file_(path), source_(path.string()) {
    ByteReader in(file_.bytes(), source_);
    const Header header = read_header(in);
    for (std::uint64_t i = 0; i < header.values; ++i) {
        const std::string key = read_name(in);
        if (!values_.emplace(key, read_value(in)).second) {
            fail(Code::corrupt_file, source_, " has ", quote(key), " twice");
        }
    }
    std::vector<TensorPlace> places;
    for (std::uint64_t i = 0; i < header.tensors; ++i) places.push_back(read_place(in));

    const auto alignment = static_cast<std::uint64_t>(integer("general.alignment", 32));
    if (!std::has_single_bit(alignment) || alignment > max_alignment) {
        fail(Code::corrupt_file, source_, ": \"general.alignment\" is ", alignment);
    }
    const auto start = round_up<std::uint64_t>(in.position(), alignment);
    const Bytes file = file_.bytes();
    const Bytes data = file.subspan(std::min<std::size_t>(file.size(), start));
    std::vector<NamedRange> ranges;
    for (TensorPlace& place : places) {
        if (place.offset % alignment != 0 || place.offset > data.size() ||
            place.bytes > data.size() - place.offset) {
            fail(Code::corrupt_file, source_, ": tensor ", quote(place.name), " lies at ",
                 place.offset, " with ", place.bytes, " bytes, which is no place in the ",
                 data.size(), " bytes of data");
        }
        place.tensor.data = data.subspan(place.offset, place.bytes);
        ranges.push_back({place.name, place.tensor.data});
        if (!tensors_.emplace(place.name, std::move(place.tensor)).second) {
            fail(Code::corrupt_file, source_, " has the tensor ", quote(place.name), " twice");
        }
    }
    check_disjoint(std::move(ranges), source_);
}

void GgufFile::wrong_type(std::string_view key, const char* wanted) const {
    fail(Code::corrupt_file, source_, ": \"", key, "\" is not ", wanted);
}

const GgufValue& GgufFile::at(std::string_view key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) fail(Code::corrupt_file, source_, " has no \"", key, '"');
    return found->second;
}

const GgufValue& GgufFile::scalar(std::string_view key, const char* wanted) const {
    const GgufValue& value = at(key);
    if (value.is_array) wrong_type(key, wanted);
    return value;
}

namespace {

// The elements of an integral value, which are read one by one.
std::optional<std::int64_t> read_integer(ByteReader& in, GgufType type) {
    switch (type) {
        case GgufType::u8: return in.number<std::uint8_t>();
        case GgufType::i8: return in.number<std::int8_t>();
        case GgufType::u16: return in.number<std::uint16_t>();
        case GgufType::i16: return in.number<std::int16_t>();
        case GgufType::u32: return in.number<std::uint32_t>();
        case GgufType::i32: return in.number<std::int32_t>();
        case GgufType::i64: return in.number<std::int64_t>();
        case GgufType::u64: {
            const auto value = in.number<std::uint64_t>();
            if (value > INT64_MAX) return std::nullopt;
            return static_cast<std::int64_t>(value);
        }
        default: return std::nullopt;
    }
}

}  // namespace

std::int64_t GgufFile::integer(std::string_view key) const {
    const GgufValue& value = scalar(key, "an integer");
    ByteReader in(value.bytes, source_);
    const auto result = read_integer(in, value.type);
    if (!result) wrong_type(key, "an integer");
    return *result;
}

std::int64_t GgufFile::integer(std::string_view key, std::int64_t fallback) const {
    return has(key) ? integer(key) : fallback;
}

double GgufFile::number(std::string_view key) const {
    const GgufValue& value = scalar(key, "a number");
    ByteReader in(value.bytes, source_);
    if (value.type == GgufType::f32) return static_cast<double>(in.number<float>());
    if (value.type == GgufType::f64) return in.number<double>();
    return static_cast<double>(integer(key));
}

bool GgufFile::boolean(std::string_view key, bool fallback) const {
    if (!has(key)) return fallback;
    const GgufValue& value = scalar(key, "true or false");
    if (value.type != GgufType::boolean) wrong_type(key, "true or false");
    return value.bytes[0] != std::byte{0};
}

std::string GgufFile::text(std::string_view key) const {
    const GgufValue& value = scalar(key, "a text");
    if (value.type != GgufType::text) wrong_type(key, "a text");
    ByteReader in(value.bytes, source_);
    return in.text(in.number<std::uint64_t>());
}

std::string GgufFile::text(std::string_view key, const std::string& fallback) const {
    return has(key) ? text(key) : fallback;
}

std::vector<std::string> GgufFile::texts(std::string_view key) const {
    const GgufValue& value = at(key);
    if (!value.is_array || value.type != GgufType::text) wrong_type(key, "a list of texts");
    ByteReader in(value.bytes, source_);
    std::vector<std::string> result;
    for (std::uint64_t i = 0; i < value.count; ++i) {
        result.push_back(in.text(in.number<std::uint64_t>()));
    }
    return result;
}

std::vector<std::int64_t> GgufFile::integers(std::string_view key) const {
    const GgufValue& value = at(key);
    if (!value.is_array) wrong_type(key, "a list of integers");
    ByteReader in(value.bytes, source_);
    std::vector<std::int64_t> result;
    for (std::uint64_t i = 0; i < value.count; ++i) {
        const auto element = read_integer(in, value.type);
        if (!element) wrong_type(key, "a list of integers");
        result.push_back(*element);
    }
    return result;
}

}  // namespace sipo
