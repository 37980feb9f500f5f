#include <sipo_generated.h>

#include <string_view>

#include "base/error.hpp"
#include "base/quote.hpp"
#include "format/header.hpp"

namespace sipo {
namespace {

constexpr std::size_t max_text_bytes = 65536;  // of a provenance field
constexpr std::size_t max_tensors = 262144;
constexpr std::size_t max_profiles = 1024;

// Copies the verified FlatBuffer out. One table may be referenced many times, so what is copied is
// counted: the copy never outgrows what a file of this size can really hold.
class Parser {
public:
    Parser(std::uint64_t payload_end, const std::string& source)
        : frames_left_(payload_end / payload_alignment), source_(source) {}

    [[nodiscard]] Contents parse(const schema::Header& header) {
        Contents contents;
        contents.architecture = parse(*header.architecture());
        if (header.provenance() != nullptr) contents.provenance = parse(*header.provenance());
        parse_list(header.tensors(), max_tensors, "tensors", contents.tensors);
        parse_list(header.blobs(), max_tensors, "blobs", contents.blobs);
        parse_list(header.profiles(), max_profiles, "profiles", contents.profiles);
        return contents;
    }

private:
    template <typename List, typename Entry>
    void parse_list(const List* list, std::size_t limit, const char* what,
                    std::vector<Entry>& entries) {
        if (list == nullptr) return;
        check_count(what, list->size(), limit);
        for (const auto* const item : *list) entries.push_back(parse(*item));
    }

    [[nodiscard]] static Architecture parse(const schema::Architecture& a) {
        return {.family = static_cast<Family>(a.family()),
                .n_layers = a.n_layers(),
                .d_model = a.d_model(),
                .d_inner = a.d_inner(),
                .d_state = a.d_state(),
                .d_conv = a.d_conv(),
                .dt_rank = a.dt_rank(),
                .n_heads = a.n_heads(),
                .head_dim = a.head_dim(),
                .n_groups = a.n_groups(),
                .vocab_size = a.vocab_size(),
                .norm_eps = a.norm_eps(),
                .mixer_rms_eps = a.mixer_rms_eps(),
                .delta_min = a.delta_min(),
                .delta_max = a.delta_max(),
                .tied_head = a.tied_head(),
                .conv_bias = a.conv_bias(),
                .linear_bias = a.linear_bias(),
                .end_of_text = a.end_of_text(),
                .training_length = a.training_length()};
    }

    [[nodiscard]] Provenance parse(const schema::Provenance& provenance) const {
        return {.source = text(provenance.source(), "provenance", max_text_bytes),
                .importer = text(provenance.importer(), "provenance", max_text_bytes),
                .note = text(provenance.note(), "provenance", max_text_bytes)};
    }

    [[nodiscard]] TensorEntry parse(const schema::Tensor& tensor) {
        TensorEntry entry;
        entry.name = text(tensor.name(), "a tensor's name", max_name_bytes);
        if (tensor.dtype() > schema::DType::MAX) unknown(entry.name, "dtype", tensor.dtype());
        entry.dtype = static_cast<DType>(tensor.dtype());
        entry.shape = numbers(tensor.shape(), "dimensions", max_dimensions);
        entry.payload = parse(*tensor.payload(), entry.name);
        return entry;
    }

    [[nodiscard]] BlobEntry parse(const schema::Blob& blob) {
        BlobEntry entry;
        entry.name = text(blob.name(), "a blob's name", max_name_bytes);
        entry.payload = parse(*blob.payload(), entry.name);
        return entry;
    }

    [[nodiscard]] ProfileEntry parse(const schema::Profile& profile) {
        ProfileEntry entry;
        entry.name = text(profile.name(), "a profile's name", max_name_bytes);
        entry.training_length = profile.training_length();
        entry.sequences = profile.sequences();
        entry.clamp = profile.clamp();
        entry.layers = profile.layers();
        entry.channels = profile.channels();
        entry.lengths = numbers(profile.lengths(), "lengths", max_table_lengths);
        entry.log_decay = parse(*profile.log_decay(), entry.name);
        entry.threshold_table = parse(*profile.threshold_table(), entry.name);
        if (profile.settings() != nullptr) entry.settings = parse(*profile.settings());
        return entry;
    }

    [[nodiscard]] ProfileSettings parse(const schema::Settings& settings) const {
        constexpr std::size_t max_layers = 65536;
        return {.method = settings.method(),
                .global_threshold = settings.global_threshold(),
                .layers = numbers(settings.layers(), "layers of a profile", max_layers),
                .decimation_rate = settings.decimation_rate(),
                .decimation_capacity = settings.decimation_capacity()};
    }

    [[nodiscard]] Payload parse(const schema::Payload& payload, const std::string& name) {
        if (payload.encoding() > schema::Encoding::MAX)
            unknown(name, "encoding", payload.encoding());
        Payload result{.encoding = static_cast<Encoding>(payload.encoding()),
                       .raw_bytes = payload.raw_bytes(),
                       .frames = {}};
        if (payload.frames() == nullptr) return result;
        check_count("frames", payload.frames()->size(), frames_left_);
        check_aligned(*payload.frames(), name);
        frames_left_ -= payload.frames()->size();
        result.frames.reserve(payload.frames()->size());
        for (const auto* const frame : *payload.frames()) {
            result.frames.push_back({.offset = frame->offset(),
                                     .stored_bytes = frame->stored_bytes(),
                                     .raw_bytes = frame->raw_bytes(),
                                     .checksum = frame->checksum()});
        }
        return result;
    }

    [[nodiscard]] std::string text(const flatbuffers::String* string, const char* what,
                                   std::size_t limit) const {
        if (string == nullptr) return {};
        if (string->size() > limit) {
            fail(Code::corrupt_file, source_, ": ", what, " has ", string->size(),
                 " bytes; the limit is ", limit);
        }
        return string->str();
    }

    [[nodiscard]] std::vector<std::int64_t> numbers(const flatbuffers::Vector<std::int64_t>* list,
                                                    const char* what, std::size_t limit) const {
        if (list == nullptr) return {};
        check_count(what, list->size(), limit);
        check_aligned(*list, what);
        return {list->begin(), list->end()};
    }

    void check_count(const char* what, std::uint64_t count, std::uint64_t limit) const {
        if (count <= limit) return;
        fail(Code::corrupt_file, source_, ": ", count, " ", what, " where at most ", limit, " fit");
    }

    // FlatBuffers' verifier checks where a vector starts, but not that its 8-byte elements are
    // aligned.
    template <typename List>
    void check_aligned(const List& list, const std::string& name) const {
        const auto address = reinterpret_cast<std::uintptr_t>(list.Data());
        if (list.size() == 0 || address % sizeof(std::uint64_t) == 0) return;
        fail(Code::corrupt_file, source_, ": ", quote(name), " has a misaligned list");
    }

    template <typename Enum>
    [[noreturn]] void unknown(const std::string& name, const char* what, Enum value) const {
        fail(Code::unsupported, source_, ": ", quote(name), " has ", what, " ",
             static_cast<int>(value), ", which this version of the library does not know");
    }

    std::uint64_t frames_left_;
    const std::string& source_;
};

}  // namespace

Contents parse_header(std::span<const std::byte> header, std::uint64_t payload_end,
                      const std::string& source) {
    constexpr flatbuffers::uoffset_t max_depth = 16;
    constexpr flatbuffers::uoffset_t max_tables = 1000000;
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(header.data());
    flatbuffers::Verifier verifier(bytes, header.size(), max_depth, max_tables);
    if (header.size() > max_header_bytes || !schema::VerifyHeaderBuffer(verifier)) {
        fail(Code::corrupt_file, source, ": the header is malformed");
    }
    Contents contents = Parser(payload_end, source).parse(*schema::GetHeader(bytes));
    check_contents(contents, payload_end, source);
    return contents;
}

OpenedHeader open_header(std::span<const std::byte> file, const std::string& source) {
    const Prelude prelude = decode_prelude(file, source);
    const auto header = file.subspan(prelude.header_offset, prelude.header_bytes);
    if (checksum_of(header) != prelude.header_checksum) {
        fail(Code::corrupt_file, source,
             ": the checksum of the header is wrong; the file is damaged");
    }
    return {prelude, parse_header(header, prelude.header_offset, source)};
}

}  // namespace sipo
