// What a generation can be told and tells: stop sequences, bias, log probabilities, choices,
// resuming, statistics.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "services.hpp"

namespace sipo_tests {
namespace {

class Generating : public testing::Test {
protected:
    Model model = open_model();
    SessionOptions options = options_for(model, 2);
    Ids prompt = some_ids(50, 2);

    Session ready() const {
        Session session = session_for(options);
        read(session, prompt);
        return session;
    }
};

TEST_F(Generating, StopsAtATextWhereverTokensEnd) {
    const Generated whole = generate(ready(), lively(), 40);
    ASSERT_GT(whole.text.size(), 20U);
    // A sequence that begins inside one token and ends inside another.
    for (std::size_t first = 1; first + 6 < whole.text.size(); first += 5) {
        const std::string stop = whole.text.substr(first, 5);
        if (!is_utf8(stop)) continue;
        const std::size_t found = whole.text.find(stop);
        const SamplingOptions sampling = lively();
        OK(sipo_sampling_options_add_stop(sampling.get(), "\x01\x02never", 7));
        OK(sipo_sampling_options_add_stop(sampling.get(), stop.data(), stop.size()));
        const Session session = ready();
        const Generated stopped = generate(session, sampling, 40);
        EXPECT_EQ(stopped.text, whole.text.substr(0, found));
        EXPECT_EQ(statistic(session, SIPO_SESSION_FINISH), SIPO_FINISH_STOP_SEQUENCE);
        EXPECT_LE(stopped.tokens.size(), whole.tokens.size());
        EXPECT_TRUE(std::equal(stopped.tokens.begin(), stopped.tokens.end(), whole.tokens.begin()));
    }
}

TEST_F(Generating, HoldsBackTextNoLongerThanNeeded) {
    const Generated whole = generate(ready(), lively(), 20);
    const SamplingOptions sampling = lively();
    const std::string almost = whole.text.substr(whole.text.size() - 3) + "\x01";
    OK(sipo_sampling_options_add_stop(sampling.get(), almost.data(), almost.size()));
    EXPECT_TRUE(generate(ready(), sampling, 20) == whole);
}

TEST_F(Generating, TellsHeldTextAfterTheEndOfText) {
    const SamplingOptions sampling = made<SamplingOptions>(sipo_sampling_options_create);
    const auto end = static_cast<std::int32_t>(integer(model, SIPO_MODEL_END_OF_TEXT));
    const std::int32_t letter = 66;
    const std::int32_t ids[] = {letter, end};
    // Greedy takes the letter once; the penalty then makes the end of text likelier.
    const float biases[] = {1e4F, 9e3F};
    OK(sipo_sampling_options_set_logit_bias(sampling.get(), ids, biases, 2));
    OK(sipo_sampling_options_set_repetition_penalty(sampling.get(), 2.0, 4));
    const Generated plain = generate(ready(), sampling, 5);
    ASSERT_EQ(plain.tokens, Ids{letter});
    const std::string stop = plain.text + "and more";
    OK(sipo_sampling_options_add_stop(sampling.get(), stop.data(), stop.size()));
    const Session session = ready();
    EXPECT_TRUE(generate(session, sampling, 5) == plain);
    EXPECT_EQ(statistic(session, SIPO_SESSION_FINISH), SIPO_FINISH_END_OF_TEXT);
}

TEST_F(Generating, IsBentByABias) {
    const SamplingOptions sampling = lively();
    const std::int32_t wanted = 77;
    const float sure = 1e6F;
    OK(sipo_sampling_options_set_logit_bias(sampling.get(), &wanted, &sure, 1));
    for (const std::int32_t token : generate(ready(), sampling, 5).tokens) EXPECT_EQ(token, wanted);
    const SamplingOptions greedy = made<SamplingOptions>(sipo_sampling_options_create);
    const std::int32_t first = generate(ready(), greedy, 1).tokens.at(0);
    const float never = -INFINITY;
    OK(sipo_sampling_options_set_logit_bias(greedy.get(), &first, &never, 1));
    EXPECT_NE(generate(ready(), greedy, 1).tokens.at(0), first);
    OK(sipo_sampling_options_set_logit_bias(greedy.get(), nullptr, nullptr, 0));
    EXPECT_EQ(generate(ready(), greedy, 1).tokens.at(0), first);
}

struct Told {
    Ids tokens;
    std::vector<float> log_probabilities;
    std::vector<Ids> likeliest;
    std::vector<std::vector<float>> values;
    std::size_t stop_after = 1000;
};

int tell(void* user, std::int32_t token, float log_probability, const std::int32_t* likeliest,
         const float* values, std::size_t count) {
    auto& told = *static_cast<Told*>(user);
    told.tokens.push_back(token);
    told.log_probabilities.push_back(log_probability);
    told.likeliest.emplace_back(likeliest, likeliest + count);
    told.values.emplace_back(values, values + count);
    return told.tokens.size() >= told.stop_after ? 1 : 0;
}

TEST_F(Generating, TellsLogProbabilities) {
    Told told;
    const SamplingOptions sampling = lively();
    OK(sipo_sampling_options_set_log_probabilities(sampling.get(), 5, tell, &told));
    const Session session = ready();
    const std::vector<float> logits = logits_of(session);
    const Generated generated = generate(session, sampling, 6);
    EXPECT_EQ(told.tokens, generated.tokens);
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    const auto expected = [&](std::int32_t token) {
        return static_cast<double>(logits[static_cast<std::size_t>(token)]) - std::log(sum);
    };
    EXPECT_NEAR(told.log_probabilities[0], expected(told.tokens[0]), 1e-4);
    ASSERT_EQ(told.likeliest[0].size(), 5U);
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    EXPECT_EQ(told.likeliest[0][0], best);
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_NEAR(told.values[0][i], expected(told.likeliest[0][i]), 1e-4);
        if (i > 0) {
            EXPECT_LE(told.values[0][i], told.values[0][i - 1]);
        }
    }
}

TEST_F(Generating, IsCancelledByTheCallbackForLogProbabilities) {
    Told told;
    told.stop_after = 3;
    const SamplingOptions sampling = lively();
    OK(sipo_sampling_options_set_log_probabilities(sampling.get(), 0, tell, &told));
    const Session session = ready();
    Generated generated;
    std::size_t count = 0;
    EXPECT_EQ(
        sipo_session_generate(session.get(), sampling.get(), 9, collect_token, &generated, &count),
        SIPO_CANCELLED);
    EXPECT_EQ(generated.tokens.size(), 2U);
    EXPECT_EQ(position_of(session), 52);
    EXPECT_EQ(statistic(session, SIPO_SESSION_FINISH), SIPO_FINISH_CANCELLED);
}

TEST_F(Generating, ResumesWhereItStopped) {
    const Session one = ready();
    const Generated whole = generate(one, lively(), 12);
    const Session two = ready();
    Generated parts = generate(two, lively(), 5);
    const Generated rest = generate(two, lively(true), 7);
    parts.tokens.insert(parts.tokens.end(), rest.tokens.begin(), rest.tokens.end());
    EXPECT_EQ(parts.tokens, whole.tokens);
}

TEST_F(Generating, ChoosesTheTextWithTheHighestProbability) {
    const std::vector<std::string> texts = {" the", " a long and winding road", "x", " and",
                                            " the sea"};
    std::vector<const char*> starts;
    std::vector<std::size_t> lengths;
    for (const std::string& text : texts) {
        starts.push_back(text.data());
        lengths.push_back(text.size());
    }
    const Session session = ready();
    std::vector<float> found(texts.size());
    std::size_t chosen = 99;
    OK(sipo_session_choose(session.get(), starts.data(), lengths.data(), texts.size(), found.data(),
                           &chosen));
    std::vector<float> expected;
    std::size_t tokens_of_best = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        Ids ids(64);
        std::size_t count = 0;
        OK(sipo_model_tokenize(model.get(), texts[i].data(), texts[i].size(), ids.data(),
                               ids.size(), &count));
        const Session scored = ready();
        std::vector<float> nll(count);
        OK(sipo_session_score(scored.get(), ids.data(), count, count, nll.data()));
        double sum = 0.0;
        for (const float value : nll) sum -= static_cast<double>(value);
        expected.push_back(static_cast<float>(sum));
        EXPECT_NEAR(found[i], sum, 1e-3 * std::abs(sum)) << texts[i];
        if (i == chosen) {
            tokens_of_best = count;
            EXPECT_EQ(logits_of(session), logits_of(scored));
        }
    }
    EXPECT_EQ(chosen, static_cast<std::size_t>(std::max_element(expected.begin(), expected.end()) -
                                               expected.begin()));
    EXPECT_EQ(position_of(session), static_cast<std::int64_t>(50 + tokens_of_best));
}

TEST_F(Generating, TellsWhatItTook) {
    const Session session = ready();
    EXPECT_EQ(statistic(session, SIPO_SESSION_FINISH), SIPO_FINISH_NONE);
    (void)generate(session, lively(), 4);
    EXPECT_EQ(statistic(session, SIPO_SESSION_PROMPT_TOKENS), 50.0);
    EXPECT_EQ(statistic(session, SIPO_SESSION_GENERATED_TOKENS), 4.0);
    EXPECT_EQ(statistic(session, SIPO_SESSION_FINISH), SIPO_FINISH_TOKEN_LIMIT);
    const double prefill = statistic(session, SIPO_SESSION_PREFILL_SECONDS);
    EXPECT_GT(prefill, 0.0);
    EXPECT_GE(statistic(session, SIPO_SESSION_FIRST_TOKEN_SECONDS), prefill);
    EXPECT_GT(statistic(session, SIPO_SESSION_GENERATION_SECONDS), 0.0);
}

// A conversation without a method is one prompt, however it was cut.
TEST_F(Generating, AConversationIsOnePrompt) {
    const Session turns = ready();
    const Ids answer = generate(turns, lively(), 6).tokens;
    const Ids question = some_ids(40, 8);
    read(turns, question);
    const Session whole = session_for(options);
    read(whole, joined(joined(prompt, answer), question));
    EXPECT_EQ(logits_of(turns), logits_of(whole));
}

}  // namespace
}  // namespace sipo_tests
