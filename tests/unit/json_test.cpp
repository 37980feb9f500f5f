#include "base/json.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sipo {
namespace {

void expect_corrupt(const std::string& text, const std::string& part) {
    try {
        static_cast<void>(parse_json(text, "the.json"));
        FAIL() << "no error for " << text.substr(0, 50);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::corrupt_file);
        EXPECT_NE(std::string(error.what()).find("the.json"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
}

TEST(JsonParse, AgreesWithTheLibrary) {
    const std::string text =
        R"({"a": [1, -2, 3.5, "x\u00e9", true, null, {}, [], [[1], {"b": {"c": 2}}]], "d": {"e": 18446744073709551615}})";
    EXPECT_EQ(parse_json(text, "t"), Json::parse(text));
    EXPECT_EQ(parse_json("7", "t"), Json(7));
}

TEST(JsonParse, RefusesMalformedText) {
    for (const char* text :
         {"", "{", "[1,", "{\"a\":}", "nul", "1 2", "\"\xff\"", "1e999", "[1]]"}) {
        expect_corrupt(text, "malformed JSON");
    }
}

TEST(JsonParse, RefusesAKeyGivenTwice) {
    expect_corrupt(R"({"a": 1, "a": 1})", "\"a\" is given twice");
}

TEST(JsonParse, BoundsTheDepth) {
    for (const char* open : {"[", "{\"a\":"}) {
        std::string text;
        for (int i = 0; i < 1000000; ++i) text += open;
        expect_corrupt(text, "nested deeper");
    }
    EXPECT_NO_THROW(
        static_cast<void>(parse_json(std::string(64, '[') + std::string(64, ']'), "t")));
    EXPECT_THROW(static_cast<void>(parse_json(std::string(65, '[') + std::string(65, ']'), "t")),
                 Error);
}

TEST(JsonObject, GivesTypedMembers) {
    const Json json =
        parse_json(R"({"i": 3, "d": 2.5, "s": "x", "b": true, "n": null, "o": {"k": 1}})", "t");
    const JsonObject object(json, "t");
    EXPECT_EQ(object.integer("i"), 3);
    EXPECT_EQ(object.integer("n", 7), 7);
    EXPECT_EQ(object.number("d", 0), 2.5);
    EXPECT_EQ(object.number("i", 0), 3.0);
    EXPECT_EQ(object.text("s"), "x");
    EXPECT_TRUE(object.boolean("b", false));
    EXPECT_FALSE(object.has("n"));
    EXPECT_EQ(object.object("o").integer("k"), 1);
}

TEST(JsonObject, NamesTheMemberAtFault) {
    const Json json = parse_json(R"({"s": "x", "big": 9223372036854775808, "f": 1.0})", "t.json");
    const JsonObject object(json, "t.json");
    for (const char* key : {"s", "big", "f", "absent"}) {
        try {
            static_cast<void>(object.integer(key));
            FAIL() << key;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::corrupt_file);
            EXPECT_NE(std::string(error.what()).find(std::string("\"") + key + "\""),
                      std::string::npos);
        }
    }
    EXPECT_THROW(JsonObject(json.at("s"), "t"), Error);
}

}  // namespace
}  // namespace sipo
