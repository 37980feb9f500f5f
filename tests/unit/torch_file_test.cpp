#include "import/torch_bin/torch_file.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/error.hpp"
#include "import/convert.hpp"
#include "import/torch_bin/pickle.hpp"
#include "writers/temporary_directory.hpp"
#include "writers/torch_writer.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;
using writers::PickleWriter;
using writers::TorchTensor;
using writers::TorchWriter;
using writers::ZipWriter;

std::string floats(std::size_t count) {
    std::string bytes;
    for (std::size_t i = 0; i < count; ++i) writers::append(bytes, static_cast<float>(i));
    return bytes;
}

class TorchFiles : public testing::Test {
protected:
    SourceTensors open(const std::string& bytes) const {
        writers::put_file(path_, bytes);
        return open_torch_file(path_);
    }
    SourceTensors open_program(const std::string& program) const {
        return open(intact().file_with(program));
    }
    void expect_refused(Code code, const std::string& part, const std::string& bytes) const {
        try {
            static_cast<void>(open(bytes));
            ADD_FAILURE() << "no error; expected one about " << part;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), code) << error.what();
            EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
        }
        EXPECT_FALSE(fs::exists(trace_)) << "something was executed";
    }
    void expect_program_refused(Code code, const std::string& part,
                                const std::string& program) const {
        expect_refused(code, part, intact().file_with(program));
    }
    static std::vector<float> values(const SourceTensors& tensors, const std::string& name) {
        const auto bytes = convert_tensor(name, tensors.at(name), DType::f32);
        std::vector<float> result(bytes.size() / sizeof(float));
        if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
        return result;
    }
    static TorchWriter intact() {
        TorchWriter writer;
        writer.add("a", "FloatStorage", 4, {2, 3}, floats(6));
        return writer;
    }
    // What a shell would leave behind, had it been called.
    std::string touch() const { return "touch " + trace_.string(); }

    writers::TemporaryDirectory temporary_{"torch_file"};
    fs::path path_ = temporary_.path() / "model.bin";
    fs::path trace_ = temporary_.path() / "ran";
};

TEST_F(TorchFiles, HoldTensorsOfThreeTypes) {
    TorchWriter writer = intact();
    writer.add("h", "HalfStorage", 2, {2}, std::string("\x00\x3c\x00\xc0", 4));
    writer.add("b", "BFloat16Storage", 2, {2, 1}, std::string("\x80\x3f\x00\xc0", 4));
    const SourceTensors tensors = open(writer.file());
    EXPECT_EQ(tensors.size(), 3U);
    EXPECT_EQ(tensors.at("a").shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(values(tensors, "a"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(values(tensors, "h"), (std::vector<float>{1, -2}));
    EXPECT_EQ(values(tensors, "b"), (std::vector<float>{1, -2}));
}

TEST_F(TorchFiles, HoldTensorsThatShareStoragesAndHaveStrides) {
    TorchWriter writer = intact();
    writer.storages["s"] = floats(24);
    const auto look = [&](const char* name, std::vector<std::int64_t> shape,
                          std::vector<std::int64_t> strides, std::int64_t offset) {
        writer.tensors[name] = {"FloatStorage", shape, strides, offset, "s", 24};
    };
    look("whole", {4, 6}, {6, 1}, 0);
    look("transposed", {6, 2}, {1, 6}, 3);
    look("every third", {3}, {3}, 1);
    look("cube", {2, 2, 2}, {12, 1, 3}, 2);
    look("scalar", {}, {}, 5);
    look("empty", {0, 7}, {7, 1}, 24);
    look("one row", {1, 3}, {999, 1}, 20);
    const SourceTensors tensors = open(writer.file());
    EXPECT_EQ(values(tensors, "whole")[23], 23);
    EXPECT_EQ(values(tensors, "transposed"),
              (std::vector<float>{3, 9, 4, 10, 5, 11, 6, 12, 7, 13, 8, 14}));
    EXPECT_EQ(values(tensors, "every third"), (std::vector<float>{1, 4, 7}));
    EXPECT_EQ(values(tensors, "cube"), (std::vector<float>{2, 5, 3, 6, 14, 17, 15, 18}));
    EXPECT_EQ(values(tensors, "scalar"), (std::vector<float>{5}));
    EXPECT_TRUE(values(tensors, "empty").empty());
    EXPECT_EQ(values(tensors, "one row"), (std::vector<float>{20, 21, 22}));
}

TEST_F(TorchFiles, ReadParametersAndPlainDictionaries) {
    PickleWriter out;
    out.op("}").put(1).text("p").global("torch._utils", "_rebuild_parameter").op("(");
    writers::add_tensor(out, intact().tensors.at("a"));
    out.op("\x88").global("collections", "OrderedDict").op(")RtRs.");
    EXPECT_EQ(values(open_program(out.bytes), "p")[5], 5);
}

TEST_F(TorchFiles, RefuseWindowsThatReachPastTheirStorage) {
    const auto expect_window = [&](std::vector<std::int64_t> shape,
                                   std::vector<std::int64_t> strides, std::int64_t offset,
                                   const char* part) {
        TorchWriter writer = intact();
        TorchTensor& tensor = writer.tensors.at("a");
        tensor.shape = std::move(shape);
        tensor.strides = std::move(strides);
        tensor.offset = offset;
        expect_refused(Code::corrupt_file, part, writer.file());
    };
    constexpr std::int64_t huge = INT64_MAX;
    expect_window({2, 3}, {3, 1}, 1, "reaches past");
    expect_window({7}, {1}, 0, "reaches past");
    expect_window({2}, {6}, 0, "reaches past");
    expect_window({7}, {0}, 0, "reaches past");  // more elements than there are
    expect_window({huge, huge}, {1, 1}, 0, "reaches past");
    expect_window({2}, {huge}, 1, "reaches past");
    expect_window({1}, {1}, huge, "reaches past");
    expect_window({2, 3}, {3}, 0, "strides");
    expect_window({-2, 3}, {3, 1}, 0, "whole number");
    expect_window({2, 3}, {-3, 1}, 3, "whole number");
    expect_window({2, 3}, {3, 1}, -1, "whole number");
    expect_window(std::vector<std::int64_t>(9, 1), std::vector<std::int64_t>(9, 1), 0, "shape");
}

TEST_F(TorchFiles, RefuseStoragesThatAreNotThere) {
    const auto expect_storage = [&](Code code, const char* part,
                                    const std::function<void(TorchWriter&)>& change) {
        TorchWriter writer = intact();
        change(writer);
        expect_refused(code, part, writer.file());
    };
    expect_storage(Code::corrupt_file, "missing",
                   [](TorchWriter& w) { w.tensors.at("a").storage = "../../data.pkl"; });
    expect_storage(Code::corrupt_file, "shorter",
                   [](TorchWriter& w) { w.tensors.at("a").storage_elements = 7; });
    expect_storage(Code::corrupt_file, "whole number",
                   [](TorchWriter& w) { w.tensors.at("a").storage_elements = -1; });
    expect_storage(Code::unsupported, "torch.LongStorage",
                   [](TorchWriter& w) { w.tensors.at("a").type = "LongStorage"; });
    expect_storage(Code::unsupported, "torch.DoubleStorage",
                   [](TorchWriter& w) { w.tensors.at("a").type = "DoubleStorage"; });
}

TEST_F(TorchFiles, ExecuteNothing) {
    const auto hostile = [&](const std::string& part, const PickleWriter& program) {
        expect_program_refused(Code::unsupported, part, program.bytes);
    };
    const auto begin = [] { return PickleWriter(); };
    hostile("posix.system", begin().global("posix", "system").text(touch()).op("\x85R."));
    hostile("os.system", begin().global("os", "system").text(touch()).op("\x85R."));
    hostile("builtins.eval", begin().global("builtins", "eval").text("1").op("\x85R."));
    hostile("subprocess.Popen", begin().global("subprocess", "Popen").text(touch()).op("\x85R."));
    hostile("torch._utils._rebuild_sparse_tensor",
            begin().global("torch._utils", "_rebuild_sparse_tensor").op(")R."));
    hostile("torch.load", begin().global("torch", "load").text("x").op("\x85R."));
    hostile("collections.OrderedDict.fromkeys",
            begin().global("collections", "OrderedDict.fromkeys").op(")R."));
    // Instructions that import, call or build by other ways.
    hostile("0x69", begin().op("(").text(touch()).op("iposix\nsystem\n."));          // INST
    hostile("0x6f", begin().op("(").global("collections", "OrderedDict").op("o."));  // OBJ
    hostile("0x93", begin().text("posix").text("system").op("\x93."));               // STACK_GLOBAL
    hostile("0x81", begin().global("collections", "OrderedDict").op(")\x81."));      // NEWOBJ
    hostile("0x92", begin().global("collections", "OrderedDict").op(")}\x92."));     // NEWOBJ_EX
    hostile("0x82", begin().op("\x82\x01."));                                        // EXT1
    hostile("0x50", begin().op("Pname\n."));                                         // PERSID
    hostile("0x95", begin().op(std::string("\x95\0\0\0\0\0\0\0\x7f.", 10)));         // FRAME
    hostile("protocol 2", [] {
        PickleWriter later;
        later.bytes = "\x80\x04N.";
        return later;
    }());
    hostile("protocol 2", [] {
        PickleWriter first;
        first.bytes = "(dp0\n.";
        return first;
    }());
}

TEST_F(TorchFiles, RefuseCallsAndAttributesWhereNoneBelong) {
    const auto broken = [&](const std::string& part, const PickleWriter& program) {
        expect_program_refused(Code::corrupt_file, part, program.bytes);
    };
    const auto begin = [] { return PickleWriter(); };
    broken("cannot be called", begin().text("posix.system").text(touch()).op("\x85R."));
    broken("cannot be called", begin().global("collections", "OrderedDict").text("x").op("R."));
    broken("from arguments", begin().global("collections", "OrderedDict").op("]\x85R."));
    broken("attributes", begin().global("torch", "FloatStorage").op("}b."));
    broken("attributes", begin().op("]}b."));
    broken("no dictionary", begin().global("torch", "FloatStorage").op(")R."));
    broken("no dictionary", begin().op("N."));
    broken("it is no tensor", begin().op("}").text("a").op("Ns."));
    broken("it is no tensor", begin().op("}").text("a").global("torch", "FloatStorage").op(")Rs."));
    broken("no known form",
           begin().op("}").text("a").global("torch._utils", "_rebuild_tensor_v2").op(")Rs."));
    broken("no known form",
           begin().op("}").text("a").global("torch._utils", "_rebuild_parameter").op(")Rs."));
    broken("no text", begin().op("}NNs."));
}

TEST_F(TorchFiles, RefuseProgramsWithoutMeasure) {
    const auto refuse = [&](Code code, const std::string& part, const std::string& program) {
        expect_program_refused(code, part, "\x80\x02" + program);
    };
    const auto repeated = [](std::string_view part, std::size_t times) {
        std::string text;
        for (std::size_t i = 0; i < times; ++i) text += part;
        return text;
    };
    refuse(Code::corrupt_file, "nested", std::string(100000, '('));
    // Tuples of tuples, nested a million deep, and lists that hold themselves over and over.
    refuse(Code::unsupported, "instructions", "N" + repeated("\x85", 2000000));
    refuse(Code::unsupported, "instructions", "]q\1" + repeated("h\1a", 1000000));
    refuse(Code::corrupt_file, "no dictionary", "]q\1" + repeated("h\1a", 100000) + ".");
    refuse(Code::corrupt_file, "memo's number", std::string("Nr\xff\xff\xff\x7f.", 7));
    refuse(Code::corrupt_file, "memo is missing", "h\5.");
    refuse(Code::corrupt_file, "memo is missing", std::string("j\xff\xff\xff\xff.", 6));
    refuse(Code::corrupt_file, "too long", std::string("X\xff\xff\xff\xffx.", 7));
    refuse(Code::corrupt_file, "bytes are due", std::string("X\x10\0\0\0x.", 7));
    refuse(Code::corrupt_file, "64 bits", std::string("\x8a\x09") + std::string(9, '\1') + ".");
    refuse(Code::corrupt_file, "name is too long", "c" + std::string(1000, 'm') + "\nx\n.");
    refuse(Code::corrupt_file, "bytes are due", "ctorch");
    refuse(Code::corrupt_file, "mark is missing", "t.");
    refuse(Code::corrupt_file, "stack is empty", "\x85.");
    refuse(Code::corrupt_file, "stack is empty", "(\x85.");
    refuse(Code::corrupt_file, "stack is empty", "N(R.");
    refuse(Code::corrupt_file, "without a value", "}(Nu.");
    refuse(Code::corrupt_file, "not one value", "NN.");
    refuse(Code::corrupt_file, "not one value", ".");
    refuse(Code::corrupt_file, "bytes are due", "N");
    refuse(Code::corrupt_file, "bytes are due", "");
}

TEST_F(TorchFiles, RefuseArchivesThatAreNotSound) {
    EXPECT_NO_THROW(open(intact().file()));
    expect_refused(Code::corrupt_file, "torch.save", "");
    expect_refused(Code::corrupt_file, "torch.save", "not a zip");
    expect_refused(Code::unsupported, "before torch 1.6", "\x80\x02\x8a\x0alF");
    expect_refused(Code::corrupt_file, "end is missing", intact().file().substr(0, 300));
    ZipWriter deflated;
    deflated.add("archive/data.pkl", intact().program(), 8);
    expect_refused(Code::unsupported, "compressed (method 8)", deflated.file());
    ZipWriter twice;
    twice.add("archive/data.pkl", intact().program());
    twice.add("archive/data.pkl", intact().program());
    expect_refused(Code::corrupt_file, "two entries", twice.file());
    ZipWriter other;
    other.add("word/document.xml", "<x/>");
    expect_refused(Code::corrupt_file, "no data.pkl", other.file());
    ZipWriter big_endian;
    big_endian.add("archive/data.pkl", intact().program());
    big_endian.add("archive/byteorder", "big");
    expect_refused(Code::unsupported, "byte order", big_endian.file());
}

TEST_F(TorchFiles, ReadAPlainEndAndAComment) {
    ZipWriter zip;
    zip.add("x/data.pkl", intact().program());
    zip.add("x/data/0", floats(6));
    EXPECT_EQ(values(open(zip.file(false, "a comment")), "a")[5], 5);
}

}  // namespace
}  // namespace sipo
