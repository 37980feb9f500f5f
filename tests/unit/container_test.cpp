#include "format/container.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/byte_planes.hpp"
#include "format/container_writer.hpp"
#include "format/header.hpp"
#include "format/profile_store.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;
using Shape = std::vector<std::int64_t>;

Architecture small_architecture() {
    Architecture a;
    a.n_layers = 2;
    a.d_model = 32;
    a.d_inner = 64;
    a.d_state = 16;
    a.dt_rank = 2;
    a.vocab_size = 100;
    a.end_of_text = 3;
    a.training_length = 512;
    return a;
}

CalibrationProfile small_profile(const std::string& name, float value = 0.5F) {
    CalibrationProfile profile{.name = name,
                               .training_length = 512,
                               .sequences = 10,
                               .clamp = 0.2,
                               .layers = 2,
                               .channels = 64,
                               .lengths = {1000, 2000, 4000},
                               .log_decay = std::vector<float>(128, -value),
                               .threshold_table = std::vector<float>(384, value),
                               .settings = ProfileSettings{.method = 110,
                                                           .global_threshold = 1e-5,
                                                           .layers = {0, 1},
                                                           .decimation_rate = 0.5,
                                                           .decimation_capacity = 0}};
    profile.threshold_table[17] = 0.25F;
    return profile;
}

// Floats as weights are: small numbers, whose upper bytes repeat and whose lower ones do not.
Bytes weights(std::size_t count, DType dtype) {
    std::mt19937 random(static_cast<unsigned>(count));
    std::normal_distribution<float> normal(0.0F, 0.02F);
    Bytes bytes(count * dtype_size(dtype));
    for (std::size_t i = 0; i < count; ++i) {
        const float value = normal(random);
        const std::uint16_t bits = float_to_bf16(value);
        if (dtype == DType::f32) {
            std::memcpy(bytes.data() + 4 * i, &value, 4);
        } else {
            std::memcpy(bytes.data() + 2 * i, &bits, 2);
        }
    }
    return bytes;
}

Bytes bytes_of(const fs::path& path) {
    const MappedFile file(path);
    return {file.bytes().begin(), file.bytes().end()};
}

void put(const fs::path& path, std::span<const std::byte> bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
}

template <typename Action>
void expect_error(Code code, const std::string& part, const Action& action) {
    try {
        action();
        FAIL() << "no error; expected one about " << part;
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
}

class Containers : public testing::Test {
protected:
    [[nodiscard]] std::size_t entries() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
    }

    void write_small(Store store) const {
        ContainerWriter writer(path_, {.store = store, .threads = 2});
        writer.set_architecture(small_architecture());
        writer.set_provenance({.source = "a checkpoint", .importer = "a test", .note = "for fun"});
        writer.set_tokenizer(tokenizer_);
        writer.add_tensor("matrix", DType::bf16, Shape{100, 32}, weights(3200, DType::bf16));
        writer.add_tensor("vector", DType::f32, Shape{1000}, weights(1000, DType::f32));
        writer.add_profile(small_profile("one"));
        writer.commit();
    }

    // Writes a container of one 4-element f32 tensor whose header `change` has spoiled, with
    // checksums that fit.
    template <typename Change>
    void write_spoiled(const Change& change, std::size_t payload_bytes = 4096) const {
        Bytes file(prelude_bytes + payload_bytes);
        Contents contents;
        contents.architecture = small_architecture();
        const auto payload = std::span(file).subspan(64, 16);
        contents.tensors.push_back({.name = "t",
                                    .dtype = DType::f32,
                                    .shape = {4},
                                    .payload = {.encoding = Encoding::raw,
                                                .raw_bytes = 16,
                                                .frames = {{64, 16, 16, checksum_of(payload)}}}});
        change(contents);
        put_with_header(std::move(file), build_header(contents), {});
    }

    void put_with_header(Bytes file, const Bytes& header, Prelude prelude) const {
        prelude.header_offset = file.size();
        prelude.header_bytes = header.size();
        prelude.header_checksum = checksum_of(header);
        file.insert(file.end(), header.begin(), header.end());
        const auto start = encode_prelude(prelude);
        std::copy(start.begin(), start.end(), file.begin());
        put(path_, file);
    }

    void expect_open_error(Code code, const std::string& part) const {
        expect_error(code, part, [&] { static_cast<void>(Container::open(path_)); });
    }

    writers::TemporaryDirectory temporary_{"container_test"};
    fs::path directory_ = temporary_.path();
    fs::path path_ = directory_ / "model.sipo";
    std::string tokenizer_ = R"({"a": ")" + std::string(5000, 'x') + R"("})";
};

TEST(BytePlanes, SplitAndMerge) {
    for (const std::size_t width : {2U, 4U}) {
        for (const std::size_t count : {0U, 1U, 7U, 64U, 1001U}) {
            Bytes elements(count * width);
            for (std::size_t i = 0; i < elements.size(); ++i)
                elements[i] = std::byte(i * 7 + i / 251);
            Bytes planes(elements.size());
            split_planes(elements, width, planes);
            for (std::size_t i = 0; i < elements.size(); ++i) {
                ASSERT_EQ(planes[i % width * count + i / width], elements[i]);
            }
            Bytes back(elements.size());
            merge_planes(planes, width, back);
            EXPECT_EQ(back, elements);
        }
    }
}

TEST_F(Containers, ReturnWhatWasWritten) {
    for (const Store store : {Store::zstd, Store::raw}) {
        write_small(store);
        const Container container = Container::open(path_);
        EXPECT_EQ(container.architecture(), small_architecture());
        EXPECT_EQ(container.provenance(), (Provenance{"a checkpoint", "a test", "for fun"}));
        EXPECT_EQ(container.tokenizer_json(), tokenizer_);
        EXPECT_EQ(container.profile_names(), std::vector<std::string>{"one"});
        EXPECT_EQ(container.profile("one"), small_profile("one"));
        ASSERT_EQ(container.tensors().size(), 2U);
        ThreadPool pool(2);
        const TensorEntry& matrix = container.require("matrix", Shape{100, 32});
        EXPECT_EQ(matrix.dtype, DType::bf16);
        EXPECT_EQ(container.read(matrix, pool), weights(3200, DType::bf16));
        EXPECT_EQ(container.read(*container.find("vector"), pool), weights(1000, DType::f32));
        EXPECT_EQ(container.find("nothing"), nullptr);
    }
}

TEST_F(Containers, ReturnEverySizeInEveryStore) {
    constexpr std::int64_t mib = 1 << 20;
    const std::vector<Shape> shapes = {{},           {0},         {0, 5},        {1},
                                       {3, 0},       {255},       {7, 73},       {511, 1025},
                                       {2, 3, 4, 5}, {mib / 2},   {mib / 2 + 1}, {3, mib / 2 + 1},
                                       {1, 3 * mib}, {3000, 1001}};
    for (const Store store : {Store::zstd, Store::raw}) {
        for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
            std::vector<Bytes> data;
            ContainerWriter writer(path_, {.store = store, .threads = 2});
            writer.set_architecture(small_architecture());
            for (const Shape& shape : shapes) {
                std::size_t count = 1;
                for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
                data.push_back(weights(count, dtype));
                writer.add_tensor(join("t", data.size()), dtype, shape, data.back());
            }
            writer.commit();
            const Container container = Container::open(path_);
            ThreadPool pool(2);
            for (std::size_t i = 0; i < shapes.size(); ++i) {
                const TensorEntry& entry = container.tensors()[i];
                EXPECT_EQ(entry.shape, shapes[i]);
                ASSERT_TRUE(container.read(entry, pool) == data[i]) << entry.name;
                if (store == Store::raw && !data[i].empty()) {
                    const auto view = container.raw_view(entry);
                    ASSERT_TRUE(view.has_value());
                    EXPECT_TRUE(
                        std::equal(view->begin(), view->end(), data[i].begin(), data[i].end()));
                    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view->data()) % payload_alignment,
                              0U);
                    EXPECT_NO_THROW(container.verify(entry, pool));
                }
            }
        }
    }
}

TEST_F(Containers, CutCompressedTensorsAtRows) {
    ContainerWriter writer(path_, {});
    writer.set_architecture(small_architecture());
    writer.add_tensor("t", DType::bf16, Shape{3000, 1001}, weights(3003000, DType::bf16));
    writer.add_tensor("wide", DType::bf16, Shape{2, 1 << 20}, weights(1 << 21, DType::bf16));
    writer.commit();
    const Container container = Container::open(path_);
    EXPECT_EQ(Container::frame_count(*container.find("t")), 12U);
    EXPECT_EQ(Container::frame_count(*container.find("wide")), 2U);
    for (const Frame& frame : container.find("t")->payload.frames) {
        EXPECT_EQ(frame.raw_bytes % 2002, 0U);
    }
    EXPECT_FALSE(container.raw_view(*container.find("t")).has_value());
}

TEST_F(Containers, PackWeightsAndConstants) {
    ContainerWriter writer(path_, {});
    writer.set_architecture(small_architecture());
    writer.add_tensor("weights", DType::bf16, Shape{1 << 20}, weights(1 << 20, DType::bf16));
    writer.add_tensor("zeros", DType::f32, Shape{1 << 20}, Bytes(4 << 20));
    writer.commit();
    const Container container = Container::open(path_);
    const auto stored = [&](const char* name) {
        std::uint64_t sum = 0;
        for (const Frame& frame : container.find(name)->payload.frames) sum += frame.stored_bytes;
        return sum;
    };
    EXPECT_LT(stored("weights"), (2U << 20) * 73 / 100);
    EXPECT_LT(stored("zeros"), 10000U);
}

TEST_F(Containers, AreReadByManyThreads) {
    write_small(Store::zstd);
    const Container container = Container::open(path_);
    const Bytes expected = weights(3200, DType::bf16);
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            const TensorEntry& entry = *container.find("matrix");
            Bytes bytes(6400);
            for (int i = 0; i < 200; ++i) {
                container.read_frame(entry, 0, bytes);
                ASSERT_EQ(bytes, expected);
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

TEST_F(Containers, NameWhatIsMissing) {
    write_small(Store::zstd);
    const Container container = Container::open(path_);
    expect_error(Code::not_found, "\"one\"", [&] { static_cast<void>(container.profile("two")); });
    expect_error(Code::corrupt_file, "\"lost\"",
                 [&] { static_cast<void>(container.require("lost", Shape{1})); });
    expect_error(Code::corrupt_file, "[100, 32]", [&] {
        static_cast<void>(container.require("matrix", Shape{32, 100}));
    });
    Bytes wrong(10);
    expect_error(Code::invalid_argument, "6400",
                 [&] { container.read_frame(*container.find("matrix"), 0, wrong); });
    expect_error(Code::out_of_range, "1 frames",
                 [&] { container.read_frame(*container.find("matrix"), 1, wrong); });
    path_ = directory_ / "no.sipo";
    expect_open_error(Code::not_found, "no.sipo");
}

TEST_F(Containers, WithoutATokenizerSaySo) {
    ContainerWriter writer(path_, {});
    writer.set_architecture(small_architecture());
    writer.commit();
    const Container container = Container::open(path_);
    expect_error(Code::not_found, "tokenizer",
                 [&] { static_cast<void>(container.tokenizer_json()); });
}

TEST_F(Containers, LeaveTheOldFileWhenTheWriterIsNotCommitted) {
    write_small(Store::zstd);
    const Bytes before = bytes_of(path_);
    {
        ContainerWriter writer(path_, {});
        writer.set_architecture(small_architecture());
        writer.add_tensor("t", DType::f32, Shape{1000}, weights(1000, DType::f32));
    }
    EXPECT_EQ(bytes_of(path_), before);
    EXPECT_EQ(entries(), 1U);
}

TEST_F(Containers, RefuseWhatAReaderWouldRefuse) {
    ContainerWriter writer(path_, {});
    expect_error(Code::invalid_state, "architecture", [&] { writer.commit(); });
    writer.set_architecture(small_architecture());
    writer.add_tensor("t", DType::f32, Shape{1}, Bytes(4));
    expect_error(Code::invalid_argument, "\"t\"",
                 [&] { writer.add_tensor("t", DType::f32, Shape{1}, Bytes(4)); });
    expect_error(Code::invalid_argument, "asks for 8",
                 [&] { writer.add_tensor("u", DType::f32, Shape{2}, Bytes(4)); });
    expect_error(Code::out_of_range, "overflow", [&] {
        writer.add_tensor("u", DType::f32, Shape{INT64_MAX, 8}, Bytes(4));
    });
    writer.add_tensor(std::string(256, 'n'), DType::f32, Shape{1}, Bytes(4));
    expect_error(Code::invalid_argument, "256 bytes", [&] { writer.commit(); });
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(Containers, RefuseProfilesThatDoNotAddUp) {
    write_small(Store::zstd);
    const auto expect_refused = [&](const std::string& part, const auto& change) {
        CalibrationProfile profile = small_profile("bad");
        change(profile);
        expect_error(Code::invalid_argument, part, [&] { store_profile(path_, profile); });
    };
    expect_refused("name", [](auto& p) { p.name.clear(); });
    expect_refused("training_length", [](auto& p) { p.training_length = 0; });
    expect_refused("sequences", [](auto& p) { p.sequences = -1; });
    expect_refused("clamp", [](auto& p) { p.clamp = 1.0; });
    expect_refused("clamp", [](auto& p) { p.clamp = std::nan(""); });
    expect_refused("ascending", [](auto& p) { p.lengths = {1, 3, 3}; });
    expect_refused("lengths", [](auto& p) { p.lengths.clear(); });
    expect_refused("log_decay", [](auto& p) { p.log_decay.pop_back(); });
    expect_refused("log_decay", [](auto& p) { p.log_decay[5] = std::nanf(""); });
    expect_refused("settings", [](auto& p) { p.settings->global_threshold = 1.0; });
    expect_refused("settings", [](auto& p) { p.settings->decimation_rate = 0.0; });
    expect_refused("settings", [](auto& p) { p.settings->decimation_capacity = -1; });
    expect_refused("settings", [](auto& p) { p.settings->layers = {1, 1}; });
    expect_refused("settings", [](auto& p) { p.settings->layers = {100000}; });
    expect_refused("threshold_table", [](auto& p) { p.threshold_table[5] = -1.0F; });
    expect_refused("threshold_table", [](auto& p) { p.threshold_table.push_back(1.0F); });
    expect_refused("the model has 2 of 64", [](auto& p) { std::swap(p.layers, p.channels); });
    EXPECT_EQ(entries(), 1U);
}

TEST_F(Containers, TakeProfilesAfterwards) {
    write_small(Store::zstd);
    const auto size = fs::file_size(path_);
    const Container before = Container::open(path_);
    store_profile(path_, small_profile("two", 0.75F));
    for (int i = 0; i < 5; ++i)
        store_profile(path_, small_profile("one", 0.125F * static_cast<float>(i)));
    const Container after = Container::open(path_);
    EXPECT_EQ(after.profile_names(), (std::vector<std::string>{"two", "one"}));
    EXPECT_EQ(after.profile("one"), small_profile("one", 0.5F));
    EXPECT_EQ(after.profile("two"), small_profile("two", 0.75F));
    EXPECT_EQ(after.tokenizer_json(), tokenizer_);
    EXPECT_EQ(after.provenance(), before.provenance());
    ThreadPool pool(1);
    EXPECT_EQ(after.read(*after.find("matrix"), pool), weights(3200, DType::bf16));
    EXPECT_LT(fs::file_size(path_),
              size + 2000);  // nothing is left of the profiles that were replaced
    EXPECT_EQ(before.profile("one"), small_profile("one"));  // who has the old file open keeps it
    EXPECT_EQ(entries(), 1U);
}

TEST_F(Containers, KeepRawTensorsInOnePieceWhenAProfileIsStored) {
    ContainerWriter writer(path_, {.store = Store::raw});
    writer.set_architecture(small_architecture());
    const Bytes data = weights(3003000, DType::bf16);
    writer.add_tensor("t", DType::bf16, Shape{3000, 1001}, data);
    writer.commit();
    store_profile(path_, small_profile("p"));
    const Container container = Container::open(path_);
    const auto view = container.raw_view(*container.find("t"));
    ASSERT_TRUE(view.has_value());
    EXPECT_TRUE(std::equal(view->begin(), view->end(), data.begin(), data.end()));
}

TEST_F(Containers, KeepAllProfilesStoredAtOnce) {
    write_small(Store::zstd);
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 8; ++i) {
                store_profile(path_, small_profile(join("p", t, ".", i)));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(Container::open(path_).profile_names().size(), 33U);
    EXPECT_EQ(entries(), 1U);
}

TEST_F(Containers, OfANewerMinorVersionAreReadButNotRewritten) {
    write_small(Store::zstd);
    Bytes file = bytes_of(path_);
    Prelude prelude = decode_prelude(file, "test");
    prelude.minor = 7;
    const auto start = encode_prelude(prelude);
    std::copy(start.begin(), start.end(), file.begin());
    put(path_, file);
    EXPECT_EQ(Container::open(path_).minor_version(), 7U);
    expect_error(Code::unsupported, "1.7", [&] { store_profile(path_, small_profile("p")); });
    EXPECT_EQ(bytes_of(path_), file);
}

TEST_F(Containers, OfANewerMajorVersionAreRefused) {
    write_small(Store::zstd);
    Bytes file = bytes_of(path_);
    Prelude prelude = decode_prelude(file, "test");
    prelude.major = 2;
    const auto start = encode_prelude(prelude);
    std::copy(start.begin(), start.end(), file.begin());
    put(path_, file);
    expect_open_error(Code::unsupported, "version 2.0");
}

TEST_F(Containers, SayWhenTextModeDamagedThem) {
    write_small(Store::zstd);
    const Bytes file = bytes_of(path_);
    Bytes unix_ends = file;
    unix_ends.erase(unix_ends.begin() + 5);  // CR
    put(path_, unix_ends);
    expect_open_error(Code::corrupt_file, "text mode");
    Bytes stripped = file;
    for (std::byte& byte : stripped) byte &= std::byte{0x7f};
    put(path_, stripped);
    expect_open_error(Code::corrupt_file, "text mode");
    put(path_, Bytes(1000));
    expect_open_error(Code::corrupt_file, "not a .sipo file");
    put(path_, {});
    expect_open_error(Code::corrupt_file, "not a .sipo file");
}

TEST_F(Containers, CutShortAreRefused) {
    write_small(Store::zstd);
    const Bytes file = bytes_of(path_);
    for (std::size_t size = 0; size < file.size(); size += size < 100 ? 1 : 97) {
        put(path_, std::span(file).first(size));
        EXPECT_THROW(static_cast<void>(Container::open(path_)), Error) << size;
    }
    put(path_, std::span(file).first(file.size() - 1));
    EXPECT_THROW(static_cast<void>(Container::open(path_)), Error);
}

TEST_F(Containers, DamagedInAPayloadSayWhere) {
    write_small(Store::raw);
    const Container intact = Container::open(path_);
    const std::uint64_t offset = intact.find("vector")->payload.frames[0].offset;
    Bytes file = bytes_of(path_);
    file[offset + 100] ^= std::byte{1};
    put(path_, file);
    const Container container = Container::open(path_);
    ThreadPool pool(1);
    const TensorEntry& entry = *container.find("vector");
    expect_error(Code::corrupt_file, "\"vector\"", [&] { container.verify(entry, pool); });
    expect_error(Code::corrupt_file, "\"vector\"",
                 [&] { static_cast<void>(container.read(entry, pool)); });
    EXPECT_NO_THROW(container.verify(*container.find("matrix"), pool));
}

TEST_F(Containers, WithHostileFramesAreRefused) {
    constexpr std::uint64_t huge = ~std::uint64_t{0};
    const auto spoil = [&](const std::string& part, const auto& change) {
        write_spoiled([&](Contents& contents) {
            change(contents.tensors[0].payload, contents.tensors[0].payload.frames[0]);
        });
        expect_open_error(Code::corrupt_file, part);
    };
    spoil("outside", [](auto&, Frame& f) { f.offset = huge - 63; });
    spoil("misaligned", [](auto&, Frame& f) { f.offset = huge; });
    spoil("outside", [](auto&, Frame& f) { f.offset = 0; });
    spoil("outside", [](auto&, Frame& f) { f.offset = 64 * 70; });
    spoil("outside", [](auto& p, Frame& f) { p.encoding = Encoding::zstd, f.stored_bytes = huge; });
    spoil("outside",
          [](auto& p, Frame& f) { p.encoding = Encoding::zstd, f.stored_bytes = huge - 64; });
    spoil("another size", [](auto&, Frame& f) { f.stored_bytes = 17; });
    spoil("impossible size", [](auto&, Frame& f) { f.stored_bytes = 0; });
    spoil("impossible size", [](auto&, Frame& f) { f.raw_bytes = 0; });
    spoil("impossible size", [](auto&, Frame& f) { f.raw_bytes = huge; });
    spoil("impossible size", [](auto&, Frame& f) { f.raw_bytes = max_frame_bytes + 1; });
    spoil("add up", [](auto& p, Frame&) { p.frames.clear(); });
    spoil("shape", [](auto& p, Frame&) { p.raw_bytes = 0; });
    spoil("broken elements",
          [](auto& p, Frame& f) { p.encoding = Encoding::zstd_planes, f.raw_bytes = 15; });
    spoil("overlap", [](auto& p, Frame& f) {
        f.raw_bytes = f.stored_bytes = 8;
        p.frames.push_back(f);
    });
    spoil("frames where at most", [](auto& p, Frame& f) { p.frames.assign(1000, f); });
}

TEST_F(Containers, WithHostileTensorsAreRefused) {
    const auto spoil = [&](Code code, const std::string& part, const auto& change) {
        write_spoiled([&](Contents& contents) { change(contents, contents.tensors[0]); });
        expect_open_error(code, part);
    };
    const Code corrupt = Code::corrupt_file;
    spoil(corrupt, "impossible shape", [](auto&, auto& t) { t.shape = {INT64_MAX, INT64_MAX}; });
    spoil(corrupt, "impossible shape", [](auto&, auto& t) { t.shape = {-4}; });
    spoil(corrupt, "impossible shape", [](auto&, auto& t) { t.shape = {-2, -2}; });
    spoil(corrupt, "shape", [](auto&, auto& t) { t.shape = {5}; });
    spoil(corrupt, "dimensions", [](auto&, auto& t) { t.shape = Shape(9, 1); });
    spoil(corrupt, "not a name", [](auto&, auto& t) { t.name.clear(); });
    spoil(corrupt, "not a name", [](auto&, auto& t) { t.name = "a\nb"; });
    spoil(corrupt, "256 bytes", [](auto&, auto& t) { t.name = std::string(256, 'n'); });
    spoil(corrupt, "twice", [](auto& c, auto& t) { c.tensors.push_back(TensorEntry(t)); });
    spoil(Code::unsupported, "dtype 9", [](auto&, auto& t) { t.dtype = static_cast<DType>(9); });
    spoil(Code::unsupported, "encoding 9",
          [](auto&, auto& t) { t.payload.encoding = static_cast<Encoding>(9); });
    spoil(Code::unsupported, "d_model", [](auto& c, auto&) { c.architecture.d_model = 0; });
    spoil(Code::unsupported, "n_layers",
          [](auto& c, auto&) { c.architecture.n_layers = INT64_MAX; });
    spoil(corrupt, "profile", [](auto& c, auto&) {
        c.profiles.push_back({.name = "p",
                              .layers = INT64_MAX,
                              .channels = 64,
                              .lengths = {1},
                              .log_decay = {},
                              .threshold_table = {},
                              .settings = {}});
    });
    spoil(corrupt, "tables", [](auto& c, auto&) {
        c.profiles.push_back({.name = "p",
                              .layers = 2,
                              .channels = 64,
                              .lengths = {1},
                              .log_decay = {},
                              .threshold_table = {},
                              .settings = {}});
    });
}

// Thousands of frames of a few bytes that each claim 4 MiB.
TEST_F(Containers, ThatClaimFarMoreThanTheyHoldAreRefused) {
    constexpr std::size_t frames = 2000;
    write_spoiled(
        [](Contents& contents) {
            TensorEntry& tensor = contents.tensors[0];
            tensor.shape = {static_cast<std::int64_t>(frames * max_frame_bytes / 4)};
            tensor.payload = {
                .encoding = Encoding::zstd, .raw_bytes = frames * max_frame_bytes, .frames = {}};
            for (std::size_t i = 0; i < frames; ++i) {
                tensor.payload.frames.push_back({64 + 64 * i, 16, max_frame_bytes, 0});
            }
        },
        64 * frames);
    expect_open_error(Code::corrupt_file, "claims");
}

TEST_F(Containers, WithAZstdFrameOfAnotherSizeFailWhenItIsRead) {
    ContainerWriter writer(path_, {});
    writer.set_architecture(small_architecture());
    writer.add_tensor("zeros", DType::f32, Shape{1 << 16}, Bytes(1 << 18));
    writer.commit();
    Bytes file = bytes_of(path_);
    auto [prelude, contents] = open_header(file, "test");
    for (const std::int64_t elements : {1, 1000, 1 << 19}) {
        TensorEntry& tensor = contents.tensors[0];
        tensor.shape = {elements};
        tensor.payload.raw_bytes = static_cast<std::uint64_t>(4 * elements);
        tensor.payload.frames[0].raw_bytes = tensor.payload.raw_bytes;
        Bytes spoiled(file.begin(),
                      file.begin() + static_cast<std::ptrdiff_t>(prelude.header_offset));
        put_with_header(spoiled, build_header(contents), {});
        const Container container = Container::open(path_);
        ThreadPool pool(1);
        expect_error(Code::corrupt_file, "\"zeros\"",
                     [&] { static_cast<void>(container.read(*container.find("zeros"), pool)); });
    }
}

TEST_F(Containers, WithAMalformedHeaderAreRefused) {
    for (const std::size_t size : {0U, 1U, 8U, 64U, 1000U}) {
        for (const int fill : {0, 1, 0x7f, 0xff}) {
            put_with_header(Bytes(128), Bytes(size, std::byte(fill)), {});
            expect_open_error(Code::corrupt_file, "header is malformed");
        }
    }
}

}  // namespace
}  // namespace sipo
