// Files that are no models, and places where nothing can be written.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "support.hpp"

namespace {

namespace fs = std::filesystem;
using namespace sipo_tests;

// A directory of the test's own, empty and removed afterwards.
class HostileFiles : public testing::Test {
protected:
    const fs::path folder = scratch(std::string("files_") +
                                    testing::UnitTest::GetInstance()->current_test_info()->name());

    void SetUp() override {
        fs::remove_all(folder);
        fs::create_directories(folder);
    }
    void TearDown() override { fs::remove_all(folder); }

    std::string path(const std::string& name) const { return (folder / name).string(); }

    std::string file(const std::string& name, const std::string& contents) const {
        std::ofstream(path(name), std::ios::binary) << contents;
        return path(name);
    }

    std::size_t entries() const {
        const fs::directory_iterator all(folder);
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }
};

std::string contents_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

sipo_status open(const std::string& path) {
    auto* const untouched = reinterpret_cast<sipo_model*>(std::uintptr_t{0x5a5a5a5a});
    sipo_model* model = untouched;
    const sipo_status status = sipo_model_open(path.c_str(), nullptr, &model);
    EXPECT_EQ(status == SIPO_OK, model != untouched);
    if (status == SIPO_OK) sipo_model_free(model);
    return status;
}

sipo_status import_to(const std::string& output) {
    return sipo_import(checkpoint_path().c_str(), output.c_str(), nullptr);
}

TEST_F(HostileFiles, ThatAreNoModelsDoNotOpen) {
    REFUSED_SAYING(open(path("missing.sipo")), SIPO_NOT_FOUND, "missing.sipo");
    REFUSED(open(path("missing/model.sipo")), SIPO_NOT_FOUND);
    REFUSED(open(file("plain", "x") + "/model.sipo"), SIPO_NOT_FOUND);
    REFUSED_SAYING(open(folder.string()), SIPO_IO_ERROR, "directory");
    REFUSED_SAYING(open("/dev/null"), SIPO_IO_ERROR, "device");
    REFUSED(open("/dev/zero"), SIPO_IO_ERROR);
    REFUSED_SAYING(open(file("empty.sipo", "")), SIPO_CORRUPT_FILE, "empty.sipo");
    REFUSED(open(file("byte.sipo", "S")), SIPO_CORRUPT_FILE);
    REFUSED(open(file("text.sipo", std::string(100000, 'a'))), SIPO_CORRUPT_FILE);
    REFUSED(open(file("zeros.sipo", std::string(100000, '\0'))), SIPO_CORRUPT_FILE);
    REFUSED(open(checkpoint_path() + "/config.json"), SIPO_CORRUPT_FILE);
    REFUSED(open(checkpoint_path() + "/model.safetensors"), SIPO_CORRUPT_FILE);
    REFUSED(open(std::string(100000, 'x')), SIPO_IO_ERROR);
    REFUSED(open(path("\xff\xfe\n\x1b[31m.sipo")), SIPO_NOT_FOUND);
}

// Nobody writes into it: the call must come back all the same. ctest's timeout is the judge.
TEST_F(HostileFiles, ThatAreFifosDoNotHang) {
    const std::string fifo = path("fifo");
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    REFUSED_SAYING(open(fifo), SIPO_IO_ERROR, "FIFO");
    REFUSED(import_to(fifo), SIPO_IO_ERROR);
    const Model model = open_model();
    REFUSED(sipo_calibration_save(calibrated(model).get(), fifo.c_str(), "a"), SIPO_IO_ERROR);
    ASSERT_EQ(mkfifo(path("config.json").c_str(), 0600), 0);
    REFUSED(sipo_import(folder.c_str(), path("out.sipo").c_str(), nullptr), SIPO_IO_ERROR);
}

TEST_F(HostileFiles, ThatAreCutDoNotOpen) {
    const std::string whole = contents_of(mamba1_path());
    ASSERT_GT(whole.size(), 1000000U);
    for (const std::size_t length :
         {std::size_t{1}, std::size_t{8}, std::size_t{15}, std::size_t{64}, std::size_t{4096},
          whole.size() / 2, whole.size() - 1}) {
        const std::string cut = file("cut.sipo", whole.substr(0, length));
        REFUSED(open(cut), SIPO_CORRUPT_FILE);
    }
    EXPECT_EQ(open(file("whole.sipo", whole)), SIPO_OK);
}

// Whatever bit is wrong: an error or a model, never a crash.
TEST_F(HostileFiles, ThatAreDamagedDoNotCrash) {
    std::string damaged = contents_of(mamba1_path());
    std::uint32_t seed = 1;
    for (int i = 0; i < 40; ++i) {
        seed = seed * 1664525U + 1013904223U;
        const std::size_t place = i < 20 ? seed % 4096U : seed % damaged.size();
        const char before = damaged[place];
        damaged[place] = static_cast<char>(before ^ (1 << (i % 8)));
        const sipo_status status = open(file("damaged.sipo", damaged));
        EXPECT_NE(status, SIPO_INTERNAL) << sipo_last_error_message();
        damaged[place] = before;
    }
}

TEST_F(HostileFiles, ThatAreNoCheckpointsAreNotImported) {
    const std::string out = path("out.sipo");
    REFUSED(sipo_import(path("missing").c_str(), out.c_str(), nullptr), SIPO_NOT_FOUND);
    REFUSED_SAYING(sipo_import(folder.c_str(), out.c_str(), nullptr), SIPO_NOT_FOUND,
                   "config.json");
    REFUSED_SAYING(sipo_import(mamba1_path().c_str(), out.c_str(), nullptr), SIPO_CORRUPT_FILE,
                   "GGUF");
    file("config.json", "{");
    REFUSED(sipo_import(folder.c_str(), out.c_str(), nullptr), SIPO_CORRUPT_FILE);
    file("config.json", "{\"model_type\": \"llama\"}");
    REFUSED_SAYING(sipo_import(folder.c_str(), out.c_str(), nullptr), SIPO_UNSUPPORTED, "llama");
    EXPECT_FALSE(fs::exists(out));
}

TEST_F(HostileFiles, ThatCannotBeWrittenAreErrors) {
    REFUSED(import_to(path("missing/out.sipo")), SIPO_NOT_FOUND);
    REFUSED(import_to(file("plain", "x") + "/out.sipo"), SIPO_NOT_FOUND);
    REFUSED_SAYING(import_to("/dev/null"), SIPO_IO_ERROR, "device");
    fs::create_directories(folder / "directory");
    REFUSED_SAYING(import_to(path("directory")), SIPO_IO_ERROR, "directory");
    EXPECT_TRUE(fs::is_directory(folder / "directory"));
    REFUSED(import_to(path(std::string(300, 'x'))), SIPO_IO_ERROR);
    EXPECT_EQ(entries(), 2U) << "something was left behind";
}

TEST_F(HostileFiles, InAReadOnlyDirectoryAreErrors) {
    if (geteuid() == 0) GTEST_SKIP() << "nothing is read-only to the superuser";
    fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
    REFUSED(import_to(path("out.sipo")), SIPO_IO_ERROR);
    fs::permissions(folder, fs::perms::owner_all);
    EXPECT_EQ(entries(), 0U);
}

// A failing import keeps the file that it would have replaced.
TEST_F(HostileFiles, AreKeptWhenTheirReplacementFails) {
    const std::string out = file("out.sipo", "precious");
    REFUSED(sipo_import(path("missing").c_str(), out.c_str(), nullptr), SIPO_NOT_FOUND);
    EXPECT_EQ(contents_of(out), "precious");
    ASSERT_EQ(import_to(out), SIPO_OK);
    EXPECT_EQ(open(out), SIPO_OK);
    EXPECT_EQ(entries(), 1U);
}

// A model that is open does not depend on its file.
TEST_F(HostileFiles, MayVanishUnderAnOpenModel) {
    const std::string out = path("out.sipo");
    ASSERT_EQ(import_to(out), SIPO_OK);
    const Model model = open_model(out);
    std::ofstream(out, std::ios::binary | std::ios::trunc) << "overwritten";
    fs::remove(out);
    const SessionOptions options = options_for(model);
    const Session session = session_for(options);
    const std::vector<std::int32_t> ids = some_ids(32);
    EXPECT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_OK);
    std::size_t count = 0;
    EXPECT_EQ(sipo_model_detokenize(model.get(), ids.data(), ids.size(), nullptr, 0, &count),
              SIPO_OK);
}

TEST_F(HostileFiles, OfAnotherShapeTakeNoCalibration) {
    const Model mamba1 = open_model();
    const Calibration calibration = calibrated(mamba1);
    const std::string other = file("mamba2.sipo", contents_of(mamba2_path()));
    const std::string before = contents_of(other);
    REFUSED_SAYING(sipo_calibration_save(calibration.get(), other.c_str(), "a"),
                   SIPO_INVALID_ARGUMENT, "512", "8");
    EXPECT_EQ(contents_of(other), before);
    REFUSED(sipo_calibration_save(calibration.get(), path("missing").c_str(), "a"), SIPO_NOT_FOUND);
    REFUSED(sipo_calibration_save(calibration.get(), folder.c_str(), "a"), SIPO_IO_ERROR);
    REFUSED(sipo_calibration_save(calibration.get(), file("empty", "").c_str(), "a"),
            SIPO_CORRUPT_FILE);
    REFUSED(sipo_calibration_save(calibration.get(), file("text", "a text").c_str(), "a"),
            SIPO_CORRUPT_FILE);
    EXPECT_EQ(contents_of(path("text")), "a text");
    EXPECT_EQ(entries(), 3U) << "something was left behind";
}

// The longest name and the replacing of a profile; the file stays whole.
TEST_F(HostileFiles, TakeCalibrationsAgainAndAgain) {
    const std::string out = path("out.sipo");
    ASSERT_EQ(import_to(out), SIPO_OK);
    const Model model = open_model(out);
    const Calibration calibration = calibrated(model);
    const std::string name(64, 'n');
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(sipo_calibration_save(calibration.get(), out.c_str(), name.c_str()), SIPO_OK);
    }
    ASSERT_EQ(sipo_calibration_save(calibration.get(), out.c_str(), "a.b_c-D9"), SIPO_OK);
    EXPECT_EQ(integer(model, SIPO_MODEL_PROFILES), 0);
    EXPECT_EQ(integer(open_model(out), SIPO_MODEL_PROFILES), 2);
    EXPECT_EQ(entries(), 1U);
}

}  // namespace
