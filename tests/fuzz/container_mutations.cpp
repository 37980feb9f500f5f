// Damages a container in thousands of ways, always the same ones. Whatever happens, the reader
// gives the content that was written or an Error.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/container.hpp"
#include "format/container_writer.hpp"
#include "format/header.hpp"
#include "fuzz/damage.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;

constexpr int iterations = 6000;

// All that a container holds, read in full.
struct Everything {
    Contents contents;
    std::string tokenizer;
    std::vector<Bytes> tensors;
    std::vector<CalibrationProfile> profiles;
    bool operator==(const Everything&) const = default;
};

class ContainerMutations : public testing::Test {
protected:
    ContainerMutations() {
        ContainerWriter writer(path_, {});
        Architecture a;
        a.n_layers = 1;
        a.d_model = a.d_inner = 8;
        a.d_state = 4;
        a.dt_rank = 1;
        a.vocab_size = 10;
        writer.set_architecture(a);
        writer.set_provenance({"source", "importer", "note"});
        writer.set_tokenizer(std::string(1500, 't'));
        Bytes values(3000);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::byte(i * i >> 5);
        writer.add_tensor("planes", DType::bf16, std::vector<std::int64_t>{10, 150}, values);
        writer.add_tensor("raw", DType::f32, std::vector<std::int64_t>{5},
                          std::span(values).first(20));
        writer.add_profile({.name = "profile",
                            .training_length = 5,
                            .sequences = 1,
                            .clamp = 0.0,
                            .layers = 1,
                            .channels = 8,
                            .lengths = {1, 2},
                            .log_decay = std::vector<float>(8, -1.0F),
                            .threshold_table = std::vector<float>(16, 0.5F),
                            .settings = ProfileSettings{.method = 100,
                                                        .global_threshold = 1e-3,
                                                        .layers = {0},
                                                        .decimation_rate = 0.5,
                                                        .decimation_capacity = 7}});
        writer.commit();
        const MappedFile file(path_);
        intact_.assign(file.bytes().begin(), file.bytes().end());
        header_offset_ = decode_prelude(intact_, "test").header_offset;
    }

    Everything read_everything() const {
        const Container container = Container::open(path_);
        Everything all;
        ThreadPool pool(1);
        for (const TensorEntry& tensor : container.tensors()) {
            all.tensors.push_back(container.read(tensor, pool));
        }
        all.tokenizer = container.tokenizer_json();
        for (const std::string& name : container.profile_names()) {
            all.profiles.push_back(container.profile(name));
        }
        all.contents = container.contents();
        return all;
    }

    void put(const Bytes& bytes) const {
        fs::remove(path_);  // some file systems flush a file that is truncated and written anew
        std::ofstream out(path_, std::ios::binary);
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
    }

    // Makes the checksums of prelude and header right again, so that what lies behind them is
    // reached.
    void reseal(Bytes& bytes) const {
        const auto header = std::span(bytes).subspan(header_offset_);
        const auto start = encode_prelude({.header_offset = header_offset_,
                                           .header_bytes = header.size(),
                                           .header_checksum = checksum_of(header)});
        std::copy(start.begin(), start.end(), bytes.begin());
    }

    // True when the file was read; an Error is the other good end.
    bool survives(const Bytes& bytes, const Everything* expected) const {
        put(bytes);
        try {
            const Everything found = read_everything();
            if (expected != nullptr) {
                EXPECT_EQ(found, *expected);
            }
            return true;
        } catch (const Error& error) {
            EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
            return false;
        }
    }

    writers::TemporaryDirectory temporary_{"container_mutations"};
    fs::path directory_ = temporary_.path();
    fs::path path_ = directory_ / "model.sipo";
    Bytes intact_;
    std::uint64_t header_offset_ = 0;
};

TEST_F(ContainerMutations, EverySingleBitIsHarmlessOrNoticed) {
    const Everything expected = read_everything();
    int read = 0;
    for (std::size_t byte = 0; byte < intact_.size(); ++byte) {
        Bytes damaged = intact_;
        damaged[byte] ^= std::byte(1U << (byte % 8));
        read += survives(damaged, &expected) ? 1 : 0;
    }
    EXPECT_GT(read, 0);  // padding between payloads carries nothing
    EXPECT_LT(read, static_cast<int>(intact_.size()) / 2);
}

TEST_F(ContainerMutations, HeadersWithFlippedBitsAndTrueChecksums) {
    std::mt19937_64 random(1);
    for (int i = 0; i < iterations; ++i) {
        Bytes damaged = intact_;
        flip_bits(damaged, header_offset_, 4, random);
        reseal(damaged);
        survives(damaged, nullptr);
    }
}

TEST_F(ContainerMutations, HeadersWithExtremeNumbersAndTrueChecksums) {
    std::mt19937_64 random(2);
    for (int i = 0; i < iterations; ++i) {
        Bytes damaged = intact_;
        put_extreme_number(damaged, header_offset_, random);
        reseal(damaged);
        survives(damaged, nullptr);
    }
}

TEST_F(ContainerMutations, HeadersCutOrMovedWithTrueChecksums) {
    std::mt19937_64 random(3);
    for (int i = 0; i < iterations / 2; ++i) {
        Bytes damaged = intact_;
        const std::size_t at = header_offset_ + random() % (intact_.size() - header_offset_);
        const auto place = damaged.begin() + static_cast<std::ptrdiff_t>(at);
        switch (random() % 3) {
            case 0: damaged.resize(at); break;
            case 1:
                damaged.erase(
                    place, place + static_cast<std::ptrdiff_t>(random() % (intact_.size() - at)));
                break;
            default: damaged.insert(place, random() % 16, std::byte(random()));
        }
        reseal(damaged);
        survives(damaged, nullptr);
    }
}

// The stored bytes of a frame are damaged and its checksum is made to fit: zstd must notice, or
// give as many bytes as it should.
TEST_F(ContainerMutations, FramesWithTrueChecksums) {
    std::mt19937_64 random(4);
    const OpenedHeader header = open_header(intact_, "test");
    for (int i = 0; i < iterations; ++i) {
        Bytes damaged = intact_;
        Contents contents = header.contents;
        Frame& frame = contents.tensors[0].payload.frames[0];
        const auto stored = std::span(damaged).subspan(frame.offset, frame.stored_bytes);
        const std::size_t reach =
            i % 2 == 0 ? std::min<std::size_t>(stored.size(), 24) : stored.size();
        for (std::size_t f = 0; f < 1 + random() % 3; ++f)
            stored[random() % reach] ^= std::byte(random());
        frame.checksum = checksum_of(stored);
        damaged.resize(header_offset_);
        const Bytes rebuilt = build_header(contents);
        damaged.insert(damaged.end(), rebuilt.begin(), rebuilt.end());
        reseal(damaged);
        survives(damaged, nullptr);
    }
}

}  // namespace
}  // namespace sipo
