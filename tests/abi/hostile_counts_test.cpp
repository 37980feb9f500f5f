// Counts that no array has, and room that does not suffice: refused before memory is touched.
#include <algorithm>

#include "hostile_fixture.hpp"

namespace {

using namespace sipo_tests;

using HostileCounts = HostileArguments;
using HostileRoom = HostileArguments;

TEST_F(HostileCounts, ThatNoArrayHas) {
    auto* const s = session.get();
    const std::int32_t* const in = ids.data();
    std::size_t count = poison;
    float real = -7.0F;
    for (const std::size_t wrong : {huge, negative, static_cast<std::size_t>(longest) + 1}) {
        const std::string value = std::to_string(wrong);
        const std::string legal = "1099511627776";
        REFUSED_SAYING(sipo_model_tokenize(model.get(), "a", wrong, nullptr, 0, &count),
                       SIPO_OUT_OF_RANGE, value, legal);
        REFUSED_SAYING(sipo_model_detokenize(model.get(), in, wrong, nullptr, 0, &count),
                       SIPO_OUT_OF_RANGE, value, legal);
        REFUSED_SAYING(sipo_session_prefill(s, in, wrong), SIPO_OUT_OF_RANGE, value, legal);
        REFUSED(sipo_session_prefill(s, nullptr, wrong), SIPO_OUT_OF_RANGE);
        REFUSED(sipo_session_prefill_logits(s, in, wrong, 1, &real, huge), SIPO_OUT_OF_RANGE);
        REFUSED(sipo_session_prefill_logits(s, in, 8, wrong, &real, huge), SIPO_OUT_OF_RANGE);
        REFUSED(sipo_session_score(s, in, wrong, 1, &real), SIPO_OUT_OF_RANGE);
        REFUSED(sipo_session_score(s, in, 8, wrong, &real), SIPO_OUT_OF_RANGE);
        REFUSED_SAYING(sipo_session_generate(s, nullptr, wrong, nullptr, nullptr, &count),
                       SIPO_OUT_OF_RANGE, value, legal);
    }
    EXPECT_EQ(count, poison);
    EXPECT_EQ(real, -7.0F);
    EXPECT_EQ(position_of(session), 0);
}

// A number of results that the prompt does not have is refused before room for them is looked at.
TEST_F(HostileCounts, OfResultsThatThePromptLacks) {
    auto* const s = session.get();
    const std::int32_t* const in = ids.data();
    const auto legal_but_long = static_cast<std::size_t>(longest);
    std::vector<float> results(16384, -7.0F);
    float* const out = results.data();
    REFUSED(sipo_session_prefill_logits(s, in, 8, 0, out, 16384), SIPO_OUT_OF_RANGE);
    REFUSED_SAYING(sipo_session_prefill_logits(s, in, 2, 3, out, 16384), SIPO_OUT_OF_RANGE, "3",
                   "2");
    REFUSED(sipo_session_prefill_logits(s, in, 2, 5, out, 16384), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_score(s, in, 8, 0, out), SIPO_OUT_OF_RANGE);
    REFUSED_SAYING(sipo_session_score(s, in, 8, 8, out), SIPO_OUT_OF_RANGE, "8", "1 to 7");
    REFUSED(sipo_session_score(s, in, 1, 1, out), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_score(s, in, 8, legal_but_long, out), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_prefill_logits(s, in, 2, legal_but_long, out, huge), SIPO_OUT_OF_RANGE);
    EXPECT_EQ(std::count(results.begin(), results.end(), -7.0F), 16384);
    EXPECT_EQ(position_of(session), 0);
}

TEST_F(HostileCounts, OfResultsThatDeciMambaDrops) {
    ASSERT_EQ(sipo_session_options_set_context(options.get(), SIPO_CONTEXT_DECIMAMBA), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_decimation_capacity(options.get(), 20), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_protected_tail(options.get(), 4), SIPO_OK);
    const Session decimating = session_for(options);
    auto* const s = decimating.get();
    const std::vector<std::int32_t> prompt = some_ids(100);
    std::vector<float> out(5 * 4096, -7.0F);
    REFUSED_SAYING(sipo_session_prefill_logits(s, prompt.data(), 100, 5, out.data(), out.size()),
                   SIPO_OUT_OF_RANGE, "protected tail", "5", "4");
    REFUSED_SAYING(sipo_session_score(s, prompt.data(), 100, 4, out.data()), SIPO_OUT_OF_RANGE,
                   "protected tail");
    EXPECT_EQ(position_of(decimating), 0);
    EXPECT_EQ(sipo_session_score(s, prompt.data(), 100, 3, out.data()), SIPO_OK);
}

TEST_F(HostileCounts, OfZeroTokens) {
    std::size_t count = poison;
    REFUSED(sipo_session_prefill(session.get(), ids.data(), 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_prefill(session.get(), nullptr, 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_generate(session.get(), nullptr, 0, nullptr, nullptr, &count),
            SIPO_OUT_OF_RANGE);
    EXPECT_EQ(count, poison);
    EXPECT_EQ(sipo_model_tokenize(model.get(), nullptr, 0, nullptr, 0, &count), SIPO_OK);
    EXPECT_EQ(count, 0U);
    EXPECT_EQ(sipo_model_detokenize(model.get(), nullptr, 0, nullptr, 0, &count), SIPO_OK);
    EXPECT_EQ(count, 0U);
    EXPECT_EQ(sipo_session_kept_tokens(session.get(), nullptr, 0, &count), SIPO_OK);
    EXPECT_EQ(count, 0U);
}

// fill(data, capacity, &count) tells the count, refuses one less and takes exactly that.
template <typename Element, typename Fill>
void expect_exact_room(Element untouched, const Fill& fill) {
    std::size_t count = poison;
    ASSERT_EQ(fill(nullptr, 0, &count), SIPO_OK);
    ASSERT_GT(count, 1U);
    std::vector<Element> data(count + 1, untouched);
    std::size_t told = poison;
    expect_refusal("one too few", SIPO_BUFFER_TOO_SMALL,
                   {std::to_string(count), std::to_string(count - 1)},
                   [&] { return fill(data.data(), count - 1, &told); });
    expect_refusal("none, but an array", SIPO_BUFFER_TOO_SMALL, {std::to_string(count)},
                   [&] { return fill(data.data(), 0, &told); });
    EXPECT_EQ(told, poison);
    EXPECT_EQ(std::count(data.begin(), data.end(), untouched),
              static_cast<std::ptrdiff_t>(data.size()));
    ASSERT_EQ(fill(data.data(), count, &told), SIPO_OK);
    EXPECT_EQ(told, count);
    EXPECT_EQ(data.back(), untouched);
    EXPECT_NE(data[count - 1], untouched);
}

TEST_F(HostileRoom, OfModelTexts) {
    auto* const m = model.get();
    expect_exact_room<char>('\x7f', [&](char* data, std::size_t capacity, std::size_t* count) {
        return sipo_model_get_text(m, SIPO_MODEL_SOURCE, data, capacity, count);
    });
    expect_exact_room<char>('\x7f', [&](char* data, std::size_t capacity, std::size_t* count) {
        return sipo_model_detokenize(m, ids.data(), ids.size(), data, capacity, count);
    });
    expect_exact_room<std::int32_t>(
        -7, [&](std::int32_t* data, std::size_t capacity, std::size_t* count) {
            return sipo_model_tokenize(m, "It was a dark night", 19, data, capacity, count);
        });
}

TEST_F(HostileRoom, OfCalibrations) {
    auto* const c = calibration.get();
    expect_exact_room<float>(7.5F, [&](float* data, std::size_t capacity, std::size_t* count) {
        return sipo_calibration_log_decay(c, data, capacity, count);
    });
    expect_exact_room<float>(-7.5F, [&](float* data, std::size_t capacity, std::size_t* count) {
        return sipo_calibration_threshold_table(c, data, capacity, count);
    });
    expect_exact_room<std::int64_t>(
        -7, [&](std::int64_t* data, std::size_t capacity, std::size_t* count) {
            return sipo_calibration_lengths(c, data, capacity, count);
        });
}

TEST_F(HostileRoom, OfSessions) {
    auto* const s = session.get();
    std::vector<float> out(8192, -7.5F);
    REFUSED_SAYING(sipo_session_prefill_logits(s, ids.data(), 8, 2, out.data(), 8191),
                   SIPO_BUFFER_TOO_SMALL, "8191", "8192");
    EXPECT_EQ(std::count(out.begin(), out.end(), -7.5F), 8192);
    EXPECT_EQ(position_of(session), 0);
    read_prompt();
    expect_exact_room<float>(-7.5F, [&](float* data, std::size_t capacity, std::size_t* count) {
        return sipo_session_logits(s, data, capacity, count);
    });
    expect_exact_room<std::int64_t>(
        -7, [&](std::int64_t* data, std::size_t capacity, std::size_t* count) {
            return sipo_session_kept_tokens(s, data, capacity, count);
        });
    expect_exact_room<char>('\x7f', [&](char* data, std::size_t capacity, std::size_t* count) {
        return sipo_session_backend_name(s, data, capacity, count);
    });
}

}  // namespace
