// Damaged tokenizer.json files and arbitrary bytes as text, the same ones on every run: each file
// is refused by an Error or gives a tokenizer that works. Run under sanitizers.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "tokenizer/tokenizer.hpp"
#include "tokenizer/utf8.hpp"

namespace sipo {
namespace {

const std::string data_folder = SIPO_TESTS_DIR "/data/tokenizer/";

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t end) { return random() % end; }

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

// What JSON and UTF-8 are sensitive to.
const std::vector<std::string>& splinters() {
    static const std::vector<std::string> all = {
        "[",    "]",     "{",       "}",      "\"",   ",",         ":",
        "null", "true",  "-1",      "1e9",    "0.5",  "16777215",  "18446744073709551616",
        "\\",   "\\u00", "\\ud83d", "[[[[[[", "\xff", "\xed\xa0",  "\xf0\x9f",
        " ",    "\n",    "Ġ",       "<m>",    "",     "ByteLevel", "Sequence",
    };
    return all;
}

void mutate(std::string& text, Random& random) {
    const std::size_t at = below(random, text.size() + 1);
    const std::size_t length = std::min(text.size() - at, below(random, 12));
    switch (below(random, 6)) {
        case 0: text.insert(at, 1, static_cast<char>(below(random, 256))); break;
        case 1: text.erase(at, length); break;
        case 2: text.replace(at, length, splinters()[below(random, splinters().size())]); break;
        case 3: text.insert(below(random, text.size() + 1), text.substr(at, length * 4)); break;
        case 4:
            if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(random, 8)));
            break;
        default:
            if (below(random, 20) == 0) text.resize(at);
            break;
    }
}

void exercise(const Tokenizer& tokenizer, const std::string& text) {
    const std::vector<std::int32_t> ids = tokenizer.encode(text);
    TextStream stream(tokenizer);
    std::string streamed;
    for (const auto id : ids) {
        ASSERT_GE(id, 0);
        ASSERT_LT(static_cast<std::size_t>(id), tokenizer.size());
        streamed += stream.push(id);
    }
    streamed += stream.finish();
    ASSERT_EQ(streamed, tokenizer.decode(ids));
    ASSERT_EQ(replace_invalid(streamed), streamed);
}

class TokenizerMutations : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerMutations, DamagedFilesAreRefusedOrWork) {
    const std::string good = read_file(data_folder + GetParam() + ".tokenizer.json");
    const std::string text = "a<m>  word ab abcd <l> <r>   e\u0301 hello 12's\n\n \u4e16\xff";
    Random random(1);
    int accepted = 0;
    for (int i = 0; i < 4000; ++i) {
        std::string json = good;
        for (std::size_t count = 1 + below(random, 3); count > 0; --count) mutate(json, random);
        try {
            exercise(Tokenizer::from_json(json), text);
            ++accepted;
        } catch (const Error& error) {
            ASSERT_TRUE(error.code() == Code::corrupt_file || error.code() == Code::unsupported)
                << error.what();
            ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        }
    }
    EXPECT_GT(accepted, 100);
}

TEST_P(TokenizerMutations, AnyBytesAreText) {
    const Tokenizer tokenizer =
        Tokenizer::from_json(read_file(data_folder + GetParam() + ".tokenizer.json"));
    const std::string good = read_file(data_folder + "strings.bin");
    Random random(2);
    for (int i = 0; i < 1500; ++i) {
        std::string text = good.substr(below(random, good.size() - 400), below(random, 400));
        for (std::size_t count = below(random, 8); count > 0; --count) mutate(text, random);
        ASSERT_NO_FATAL_FAILURE(exercise(tokenizer, text));
    }
}

TEST_P(TokenizerMutations, AnyIdsAreDecoded) {
    const Tokenizer tokenizer =
        Tokenizer::from_json(read_file(data_folder + GetParam() + ".tokenizer.json"));
    Random random(3);
    for (int i = 0; i < 1000; ++i) {
        std::vector<std::int32_t> ids(below(random, 30));
        for (auto& id : ids) {
            const std::size_t end = below(random, 9) == 0 ? std::size_t{1} << 31 : tokenizer.size();
            id = static_cast<std::int32_t>(below(random, end));
        }
        TextStream stream(tokenizer, i % 2 == 0);
        std::string streamed;
        for (const auto id : ids) {
            const std::string piece = stream.push(id);
            ASSERT_EQ(replace_invalid(piece), piece);
            streamed += piece;
        }
        ASSERT_EQ(streamed + stream.finish(), tokenizer.decode(ids, i % 2 == 0));
    }
}

INSTANTIATE_TEST_SUITE_P(Small, TokenizerMutations,
                         testing::Values("small-flags", "small-prefix", "small-plain"),
                         [](const auto& test) {
                             std::string name = test.param;
                             return name.substr(name.find('-') + 1);
                         });

}  // namespace
}  // namespace sipo
