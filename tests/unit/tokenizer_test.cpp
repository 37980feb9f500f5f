#include "tokenizer/tokenizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/normalize.hpp"
#include "tokenizer/pretokenize.hpp"
#include "tokenizer/utf8.hpp"

namespace sipo {
namespace {

using Ids = std::vector<std::int32_t>;

const std::string tests_folder = SIPO_TESTS_DIR "/";
const std::string data_folder = tests_folder + "data/tokenizer/";

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

Tokenizer load(const std::string& name) {
    return Tokenizer::from_json(
        read_file(name == "passkey-mamba1" ? tests_folder + "models/passkey-mamba1/tokenizer.json"
                                           : data_folder + name + ".tokenizer.json"));
}

// The expected files: little-endian counts, each followed by bytes or by 16-bit ids.
class Reader {
public:
    explicit Reader(const std::string& path) : bytes_(read_file(path)) {}

    [[nodiscard]] bool done() const { return at_ == bytes_.size(); }

    std::size_t number(int size) {
        std::size_t value = 0;
        for (int i = 0; i < size; ++i) {
            value |= std::size_t{static_cast<unsigned char>(bytes_.at(at_++))} << (8 * i);
        }
        return value;
    }

    std::string text() {
        const std::size_t size = number(4);
        at_ += size;
        return bytes_.substr(at_ - size, size);
    }

    Ids ids() {
        Ids ids(number(4));
        for (auto& id : ids) id = static_cast<std::int32_t>(number(2));
        return ids;
    }

private:
    std::string bytes_;
    std::size_t at_ = 0;
};

std::vector<std::string> strings() {
    std::vector<std::string> all;
    for (Reader reader(data_folder + "strings.bin"); !reader.done();) all.push_back(reader.text());
    return all;
}

class AgainstHuggingFace : public testing::TestWithParam<const char*> {};

TEST_P(AgainstHuggingFace, EncodesToTheSameIds) {
    const Tokenizer tokenizer = load(GetParam());
    const auto texts = strings();
    Reader expected(data_folder + GetParam() + ".ids");
    std::size_t i = 0;
    for (; !expected.done(); ++i) {
        ASSERT_EQ(tokenizer.encode(texts.at(i)), expected.ids())
            << "string " << i << ": " << texts[i];
    }
    EXPECT_GE(i, 900U);
}

TEST_P(AgainstHuggingFace, DecodesToTheSameText) {
    const Tokenizer tokenizer = load(GetParam());
    Reader expected(data_folder + GetParam() + ".decoded");
    while (!expected.done()) {
        const bool skip_special = expected.number(1) != 0;
        const Ids ids = expected.ids();
        const std::string text = expected.text();
        ASSERT_EQ(tokenizer.decode(ids, skip_special), text) << testing::PrintToString(ids);
        TextStream stream(tokenizer, skip_special);
        std::string streamed;
        for (const auto id : ids) streamed += stream.push(id);
        ASSERT_EQ(streamed + stream.finish(), text) << testing::PrintToString(ids);
    }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, AgainstHuggingFace,
                         testing::Values("gpt-neox-20b", "passkey-mamba1", "small-flags",
                                         "small-prefix", "small-plain", "small-falcon"),
                         [](const auto& test) {
                             std::string name = test.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(Tokenizer, DecodeUndoesEncode) {
    const Tokenizer passkey = load("passkey-mamba1");
    const Tokenizer neox = load("gpt-neox-20b");
    auto texts = strings();
    texts.push_back(read_file(tests_folder + "data/novels-calibration.txt"));
    for (const std::string& text : texts) {
        const std::string valid = replace_invalid(text);
        ASSERT_EQ(passkey.decode(passkey.encode(text)), valid);
        ASSERT_EQ(neox.decode(neox.encode(text)), normalize(valid, NormalForm::nfc));
    }
}

TEST(Tokenizer, SkipsSpecialTokensOnDemandOnly) {
    const Tokenizer tokenizer = load("gpt-neox-20b");
    const Ids ids = tokenizer.encode("a<|endoftext|>b<|padding|>");
    EXPECT_EQ(ids, (Ids{66, 0, 67, 1}));
    EXPECT_EQ(tokenizer.decode(ids), "a<|endoftext|>b<|padding|>");
    EXPECT_EQ(tokenizer.decode(ids, true), "ab");
}

TEST(Tokenizer, KnowsItsTokens) {
    const Tokenizer tokenizer = load("gpt-neox-20b");
    EXPECT_EQ(tokenizer.size(), 50277U);
    EXPECT_EQ(tokenizer.id_of("<|endoftext|>"), 0);
    EXPECT_EQ(tokenizer.id_of("  "), 50276);
    EXPECT_EQ(tokenizer.id_of("no such token"), std::nullopt);
    EXPECT_EQ(tokenizer.bytes_of(*tokenizer.id_of("\u0120the")), " the");
}

TEST(Tokenizer, GivesNoTextForIdsOfThePaddedEmbedding) {
    const Tokenizer tokenizer = load("gpt-neox-20b");
    EXPECT_EQ(tokenizer.decode(Ids{50277, 66, 50287, 2147483647}), "a");
}

TEST(Tokenizer, RefusesNegativeIds) {
    const Tokenizer tokenizer = load("passkey-mamba1");
    try {
        (void)tokenizer.decode(Ids{5, -3});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::out_of_range);
        EXPECT_STREQ(error.what(), "token id -3 is negative; ids are 0..4095");
    }
}

TEST(Tokenizer, EncodesOnManyThreadsAtOnce) {
    const Tokenizer tokenizer = load("passkey-mamba1");
    const auto texts = strings();
    Reader reader(data_folder + "passkey-mamba1.ids");
    std::vector<Ids> expected;
    while (!reader.done()) expected.push_back(reader.ids());
    std::vector<std::size_t> wrong(4, 0);
    std::vector<std::thread> threads;
    for (auto& count : wrong) {
        threads.emplace_back([&] {
            for (std::size_t i = 0; i < texts.size(); ++i) {
                count += tokenizer.encode(texts[i]) == expected.at(i) ? 0 : 1;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<std::size_t>(4, 0));
}

TEST(Tokenizer, IsCopiedAndMovedWhole) {
    const std::string text = "a <m>  wordy word ab abcd <l> e\u0301";
    Tokenizer original = load("small-flags");
    const Ids expected = original.encode(text);
    const Tokenizer copy = original;
    const Tokenizer moved = std::move(original);
    EXPECT_EQ(copy.encode(text), expected);
    EXPECT_EQ(moved.encode(text), expected);
}

std::string repeated(std::string_view unit, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += unit;
    return text;
}

// Quadratic work would take minutes; a sanitizer takes seconds.
TEST(Tokenizer, TakesLongRunsInItsStride) {
    for (const char* name : {"gpt-neox-20b", "passkey-mamba1", "small-flags", "small-plain"}) {
        const Tokenizer tokenizer = load(name);
        for (const char* unit : {"a", "\u754c", " ", "ab", "<m>", "<r> ", "word", "\n",
                                 "\u0316\u0301", "\u0301\u0316", "\xf0\x9f", "\xff", "'"}) {
            const std::string text = repeated(unit, 1000000);
            const auto start = std::chrono::steady_clock::now();
            const Ids ids = tokenizer.encode(text);
            const auto taken = std::chrono::steady_clock::now() - start;
            EXPECT_FALSE(ids.empty());
            EXPECT_LT(taken, std::chrono::seconds(10)) << name << " on a run of " << unit;
        }
    }
}

// The pieces are whole code points after every id.
TEST(TextStream, NeverSplitsACodePoint) {
    const Tokenizer tokenizer = load("passkey-mamba1");
    for (const std::string& text : strings()) {
        const Ids ids = tokenizer.encode(text);
        TextStream stream(tokenizer);
        std::string joined;
        for (const auto id : ids) {
            const std::string piece = stream.push(id);
            ASSERT_EQ(replace_invalid(piece), piece);
            joined += piece;
        }
        EXPECT_EQ(stream.finish(), "");
        ASSERT_EQ(joined, tokenizer.decode(ids));
    }
}

// Every way to cut the bytes in three, with each byte a token.
TEST(TextStream, ReplacesAsDecodeDoesWhereverTheBytesAreCut) {
    const Tokenizer tokenizer = load("passkey-mamba1");
    for (const std::string& text : strings()) {
        if (text.size() > 24) continue;
        Ids ids;
        for (const char c : text) {
            ids.push_back(*tokenizer.id_of(character_of_byte(static_cast<unsigned char>(c))));
        }
        for (std::size_t from = 0; from <= ids.size(); ++from) {
            const std::span<const std::int32_t> rest = std::span(ids).subspan(from);
            TextStream stream(tokenizer);
            std::string joined;
            for (const auto id : rest) joined += stream.push(id);
            ASSERT_EQ(joined + stream.finish(), replace_invalid(text.substr(from)));
        }
    }
}

TEST(TextStream, HoldsBackOnlyWhatMayStillBecomeACodePoint) {
    const Tokenizer tokenizer = load("passkey-mamba1");
    const auto push = [&](TextStream& stream, unsigned char byte) {
        return stream.push(*tokenizer.id_of(character_of_byte(byte)));
    };
    TextStream stream(tokenizer);
    EXPECT_EQ(push(stream, 0xe4), "");
    EXPECT_EQ(push(stream, 0xb8), "");
    EXPECT_EQ(push(stream, 0x96), "\u4e16");
    EXPECT_EQ(push(stream, 0xf0), "");
    EXPECT_EQ(push(stream, 0x80), "\ufffd\ufffd");  // F0 80 begins nothing
    EXPECT_EQ(push(stream, 0xe4), "");
    EXPECT_EQ(push(stream, 'a'),
              "\ufffd"
              "a");
    EXPECT_EQ(push(stream, 0xc3), "");
    EXPECT_EQ(stream.finish(), "\ufffd");
    EXPECT_EQ(stream.finish(), "");
}

TEST(Words, AreCutByGpt2sPattern) {
    const auto words = [](std::string_view text) {
        std::vector<std::string> out;
        for (std::size_t at = 0; at < text.size(); at += out.back().size()) {
            out.emplace_back(text.substr(at, piece_length(CutRule::words, text, at)));
        }
        return out;
    };
    using Words = std::vector<std::string>;
    EXPECT_EQ(words("I'm here, it's  two  "),
              (Words{"I", "'m", " here", ",", " it", "'s", " ", " two", "  "}));
    EXPECT_EQ(words("IT'S 'x"), (Words{"IT", "'", "S", " '", "x"}));
    EXPECT_EQ(words("a\n\nb\t c"), (Words{"a", "\n", "\n", "b", "\t", " c"}));
    EXPECT_EQ(words("3a \u00bd!?"), (Words{"3", "a", " \u00bd", "!?"}));
}

// A tokenizer.json of bytes alone, with something replaced.
std::string edited(const std::string& from, const std::string& to) {
    std::string json = read_file(data_folder + "small-flags.tokenizer.json");
    const std::size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? json : json.replace(at, from.size(), to);
}

struct Fault {
    const char* from;
    const char* to;
    Code code;
    const char* message;  // a part of it
};

TEST(TokenizerJson, NamesWhatIsWrong) {
    const Fault faults[] = {
        {R"("type":"NFC")", R"("type":"Lowercase")", Code::unsupported, "Lowercase"},
        {R"({"type":"NFC"})", "[]", Code::corrupt_file, "normalizer"},
        {R"({"type":"NFC"})", "{}", Code::corrupt_file, "type"},
        {R"("type":"ByteLevel")", R"("type":"Metaspace")", Code::unsupported, "Metaspace"},
        {R"("add_prefix_space":false)", R"("add_prefix_space":0)", Code::corrupt_file,
         "add_prefix_space"},
        {R"("add_prefix_space":false,)", "", Code::corrupt_file, "add_prefix_space"},
        {R"("decoder":{"type":"ByteLevel")", R"("decoder":{"type":"WordPiece")", Code::unsupported,
         "WordPiece"},
        {R"("type":"BPE")", R"("type":"Unigram")", Code::unsupported, "Unigram"},
        {R"("dropout":null)", R"("dropout":0.1)", Code::unsupported, "dropout"},
        {R"("unk_token":null)", R"("unk_token":"a")", Code::unsupported, "unk_token"},
        {R"("fuse_unk":false)", R"("fuse_unk":true)", Code::unsupported, "fuse_unk"},
        {R"("byte_fallback":false)", R"("byte_fallback":true)", Code::unsupported, "byte_fallback"},
        {R"("end_of_word_suffix":"")", R"("end_of_word_suffix":"</w>")", Code::unsupported,
         "end_of_word_suffix"},
        {R"("version":"1.0")", R"("version":"2.0")", Code::unsupported, "2.0"},
        {R"("a":64)", R"("A":64)", Code::corrupt_file, "\"A\" is given twice"},
        {R"("a":64)", R"("zz":64)", Code::corrupt_file, "lacks \"a\""},
        {R"("a":64)", R"("a":65)", Code::corrupt_file, "belongs to"},
        {R"("a":64)", R"("a":-1)", Code::corrupt_file, "-1"},
        {R"("a":64)", R"("a":16777216)", Code::corrupt_file, "16777216"},
        {R"("a":64)", R"("a":99999999999999999999999)", Code::corrupt_file, "the id of"},
        {R"("a":64)", R"("a":64.0)", Code::corrupt_file, "the id of"},
        {R"("a":64)", R"("a":"64")", Code::corrupt_file, "the id of"},
        {R"(["b","c"])", R"(["b","zz"])", Code::corrupt_file, "lacks \"zz\""},
        {R"(["b","c"])", R"(["z","z"])", Code::corrupt_file, "lacks \"zz\""},
        {R"(["b","c"])", R"(["b"])", Code::corrupt_file, "merges[1]"},
        {R"(["b","c"])", R"("b c d")", Code::corrupt_file, "merges[1]"},
        {R"(["b","c"])", R"("bc")", Code::corrupt_file, "merges[1]"},
        {R"(["b","c"])", "null", Code::corrupt_file, "merges[1]"},
        {R"("content":"<l>")", R"("content":"<m>")", Code::corrupt_file, "<m>"},
        {R"("content":"<l>")", R"("content":7)", Code::corrupt_file, "added_tokens[1]"},
        {R"("content":"word")", R"("content":"\u1ed9")", Code::corrupt_file, "once normalised"},
        {R"("single_word":false,)", "", Code::corrupt_file, "single_word"},
        {R"("model":{)", R"("model":3,"x":{)", Code::corrupt_file, "model"},
        {R"("vocab":{)", R"("vocab":[],"x":{)", Code::corrupt_file, "vocab"},
        {R"("merges":[)", R"("merges":{},"x":[)", Code::corrupt_file, "merges"},
    };
    for (const Fault& fault : faults) {
        try {
            (void)Tokenizer::from_json(edited(fault.from, fault.to));
            ADD_FAILURE() << "accepted: " << fault.from << " -> " << fault.to;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), fault.code) << error.what();
            EXPECT_NE(std::string(error.what()).find(fault.message), std::string::npos)
                << fault.from << " -> " << fault.to << ": " << error.what();
        }
    }
}

TEST(TokenizerJson, RefusesWhatIsNoJson) {
    const std::string good = read_file(data_folder + "small-flags.tokenizer.json");
    const std::string deep(1000000, '[');
    const std::string bad[] = {"",
                               "{",
                               "null",
                               "[]",
                               "{}",
                               "\"\xff\"",
                               "\"\\ud800\"",
                               deep,
                               good.substr(0, good.size() / 2),
                               good + "x",
                               "{\"model\":" + deep + "}",
                               std::string(1, '\0')};
    for (const std::string& json : bad) {
        try {
            (void)Tokenizer::from_json(json);
            ADD_FAILURE() << "accepted: " << json.substr(0, 50);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), json == "{}" ? Code::unsupported : Code::corrupt_file)
                << error.what();
        }
    }
}

TEST(TokenizerJson, AcceptsWhatChangesNothing) {
    const Ids expected = load("small-flags").encode("ab abc hello <m>");
    const std::pair<const char*, const char*> edits[] = {
        {R"("dropout":null)", R"("dropout":0.0)"},
        {R"("type":"BPE",)", ""},
        {R"("post_processor":null)", R"("post_processor":{"type":"TemplateProcessing"})"},
        {R"("truncation":null)", R"("truncation":{"max_length":2})"},
        {R"(["b","c"])", R"("b c")"},
        {R"(["b","c"])", R"("#version: 0.2",["b","c"])"},
        {R"({"type":"NFC"})",
         R"({"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"NFC"}]})"},
    };
    for (const auto& [from, to] : edits) {
        EXPECT_EQ(Tokenizer::from_json(edited(from, to)).encode("ab abc hello <m>"), expected)
            << to;
    }
}

}  // namespace
}  // namespace sipo
