#include "session/session.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "base/error.hpp"
#include "parity/checkpoints.hpp"

namespace sipo {
namespace {

using Ids = std::vector<std::int32_t>;
using Logits = std::vector<float>;

const std::shared_ptr<const OpenModel>& model() {
    static const auto opened = parity::open_checkpoint(parity::mamba1_checkpoint);
    return opened;
}

// Ids of the vocabulary in no order.
Ids random_ids(std::size_t count, std::uint64_t seed = 1) {
    SplitMix64 random(seed);
    Ids ids(count);
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(1 + random.below(4095));
    return ids;
}

Ids joined(Ids first, const Ids& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

SessionOptions plain() {
    SessionOptions options;
    options.threads = 2;
    options.chunk_tokens = 32;
    return options;
}

SessionOptions decimamba(std::int64_t capacity, std::int64_t tail = 1) {
    SessionOptions options = plain();
    options.context.method = context::Method::decimamba;
    options.context.layers = {3, 5};
    options.context.decimation_capacity = capacity;
    options.context.protected_tail = tail;
    return options;
}

// Trained on 100 tokens; every channel is global and g(S) = .05 · S / 1000 beyond.
SessionOptions longmamba() {
    SessionOptions options = plain();
    options.context.method = context::Method::longmamba;
    auto profile = std::make_shared<CalibrationProfile>();
    profile->name = "test";
    profile->training_length = 100;
    profile->sequences = 1;
    profile->layers = model()->architecture().n_layers;
    profile->channels = model()->architecture().delta_channels();
    profile->lengths = {100, 1000};
    const auto channels = static_cast<std::size_t>(profile->layers * profile->channels);
    profile->log_decay.assign(channels, 0.0F);
    for (std::size_t i = 0; i < channels; ++i) {
        profile->threshold_table.push_back(0.0F);
        profile->threshold_table.push_back(0.05F);
    }
    options.calibration = profile;
    return options;
}

Logits logits_of(const Session& session) {
    return {session.logits().begin(), session.logits().end()};
}

std::vector<std::int64_t> kept_of(const Session& session) {
    std::vector<std::int64_t> kept(static_cast<std::size_t>(session.kept_count()));
    session.kept_tokens(kept);
    return kept;
}

Logits prefilled(const SessionOptions& options, const Ids& ids) {
    Session session(model(), options);
    session.prefill(ids);
    return logits_of(session);
}

std::int32_t argmax(std::span<const float> logits) {
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) -
                                     logits.begin());
}

template <typename Action>
void expect_error(Code code, const Action& action) {
    try {
        action();
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
    }
}

TEST(Session, IsAsNewAfterAReset) {
    for (const SessionOptions& options : {plain(), decimamba(60), longmamba()}) {
        Session session(model(), options);
        session.prefill(random_ids(150, 1));
        session.reset();
        EXPECT_EQ(session.position(), 0);
        EXPECT_EQ(session.kept_count(), 0);
        expect_error(Code::invalid_state, [&] { (void)session.logits(); });
        session.prefill(random_ids(150, 2));
        EXPECT_EQ(logits_of(session), prefilled(options, random_ids(150, 2)));
    }
}

TEST(Session, HasNoLogitsBeforeTheFirstToken) {
    Session session(model(), plain());
    expect_error(Code::invalid_state, [&] { (void)session.logits(); });
    expect_error(Code::invalid_state, [&] { (void)session.generate({}, 1, {}); });
}

// The values are fetched at the first request, the likeliest token is known before: both follow the
// session through whatever replaces its logits.
TEST(Session, KnowsTheLikeliestTokenOfTheLogitsItStandsBehind) {
    Session session(model(), plain());
    expect_error(Code::invalid_state, [&] { (void)session.logits_view(); });
    const auto expect_agreement = [](const Session& of) {
        const std::int32_t before = of.logits_view().likeliest();
        EXPECT_EQ(before, argmax(of.logits()));
        EXPECT_EQ(of.logits_view().likeliest(), before);
    };
    session.prefill(random_ids(70));
    session.checkpoint("prompt");
    const Logits prompt = logits_of(session);
    for (const std::int32_t token : {5, 6, 7}) {
        session.decode(token);
        expect_agreement(session);
    }
    const Logits later = logits_of(session);
    const auto saved = session.save(Encoding::raw);
    const auto copy = session.fork();
    session.rewind("prompt");
    expect_agreement(session);
    EXPECT_EQ(logits_of(session), prompt);
    expect_agreement(*copy);
    EXPECT_EQ(logits_of(*copy), later);
    session.decode(9);
    session.load(saved, "memory");
    expect_agreement(session);
    EXPECT_EQ(logits_of(session), later);
    std::vector<float> nll(30);
    session.score(random_ids(30, 2), 30, nll);
    expect_agreement(session);
    session.reset();
    expect_error(Code::invalid_state, [&] { (void)session.logits_view(); });
}

TEST(Session, CountsTheLogitsThatWereFetched) {
    Session session(model(), plain());
    session.prefill(random_ids(70));
    const std::int64_t before = session.memory();
    (void)session.generate({}, 3, {});
    EXPECT_EQ(session.memory(), before);
    (void)session.logits();
    EXPECT_EQ(session.memory(), before + 4 * model()->architecture().vocab_size);
}

TEST(Session, ReadsAPromptInTwoCallsAsInOne) {
    const Ids first = random_ids(77, 1);
    const Ids second = random_ids(50, 2);
    Session session(model(), plain());
    session.prefill(first);
    session.prefill(second);
    EXPECT_EQ(session.position(), 127);
    EXPECT_EQ(session.kept_count(), 50);
    EXPECT_EQ(logits_of(session), prefilled(plain(), joined(first, second)));
}

TEST(Session, ReadsAOneTokenPromptAsADecodingStep) {
    const Ids prompt = random_ids(40);
    Session decoded(model(), plain());
    decoded.prefill(prompt);
    decoded.decode(17);
    EXPECT_EQ(decoded.position(), 41);
    EXPECT_EQ(logits_of(decoded), prefilled(plain(), joined(prompt, {17})));
}

TEST(Session, RefusesTokensOutsideTheVocabularyAndStaysAsItWas) {
    Session session(model(), plain());
    session.prefill(random_ids(20));
    const Logits before = logits_of(session);
    for (const std::int32_t bad : {-1, 4096}) {
        expect_error(Code::out_of_range, [&] { session.prefill(Ids{1, bad, 2}); });
        expect_error(Code::out_of_range, [&] { session.decode(bad); });
    }
    expect_error(Code::out_of_range, [&] { session.prefill({}); });
    EXPECT_EQ(session.position(), 20);
    EXPECT_EQ(logits_of(session), before);
}

TEST(Session, GivesTheLogitsOfTheLastTokens) {
    const Ids ids = random_ids(150);
    const auto vocab = static_cast<std::size_t>(model()->architecture().vocab_size);
    for (const std::int64_t last : {1, 5, 64, 65, 150}) {  // within a pass of the head and beyond
        Session session(model(), plain());
        Logits logits(static_cast<std::size_t>(last) * vocab);
        session.prefill_logits(ids, last, logits);
        EXPECT_EQ(Logits(logits.end() - static_cast<std::ptrdiff_t>(vocab), logits.end()),
                  logits_of(session));
        const auto first_end = ids.end() - static_cast<std::ptrdiff_t>(last) + 1;
        EXPECT_EQ(Logits(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(vocab)),
                  prefilled(plain(), Ids(ids.begin(), first_end)));
    }
    Session session(model(), plain());
    for (const std::int64_t last : {0, 151}) {
        expect_error(Code::out_of_range, [&] {
            Logits logits(151 * vocab);
            session.prefill_logits(ids, last, logits);
        });
    }
}

double log_softmax(std::span<const float> logits, std::int32_t token) {
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(logit - largest);
    return logits[static_cast<std::size_t>(token)] - largest - std::log(sum);
}

// Paused after every layer, while another session of the same machinery decodes.
TEST(Session, ReadsAPromptThatIsPausedAsOneThatIsNot) {
    const Ids prompt = random_ids(150);
    for (SessionOptions options : {plain(), decimamba(60), longmamba()}) {
        options.machinery = std::make_shared<Machinery>(model()->model(), 2);
        Session other(model(), options);
        other.prefill(random_ids(9, 2));
        Session session(model(), options);
        const auto run = session.begin_prompt(prompt, nullptr);
        int pauses = 0;
        while (run->step(64, [] { return true; })) {
            pauses += run->paused() ? 1 : 0;
            other.decode(5);
        }
        EXPECT_GT(pauses, 5);
        EXPECT_EQ(logits_of(session), prefilled(options, prompt));
    }
}

TEST(SessionScore, IsTheNegativeLogSoftmaxOfTheLogits) {
    const Ids ids = random_ids(150);
    const auto vocab = static_cast<std::size_t>(model()->architecture().vocab_size);
    Logits logits(ids.size() * vocab);
    Session(model(), plain()).prefill_logits(ids, 150, logits);
    for (const std::size_t scored :
         {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{149}}) {
        Session session(model(), plain());
        std::vector<float> nll(scored);
        session.score(ids, static_cast<std::int64_t>(scored), nll);
        for (std::size_t i = 0; i < scored; ++i) {
            const std::size_t target = ids.size() - scored + i;
            const auto before = std::span(logits).subspan((target - 1) * vocab, vocab);
            EXPECT_NEAR(nll[i], -log_softmax(before, ids[target]), 1e-5) << "token " << target;
        }
        EXPECT_EQ(logits_of(session), prefilled(plain(), ids));
    }
}

TEST(SessionScore, ReachesBackIntoWhatTheSessionHasRead) {
    const Ids first = random_ids(40, 1);
    const Ids second = random_ids(90, 2);
    std::vector<float> at_once(90);
    Session(model(), plain()).score(joined(first, second), 90, at_once);
    Session continued(model(), plain());
    continued.prefill(first);
    std::vector<float> in_two(90);
    continued.score(second, 90, in_two);
    EXPECT_EQ(in_two, at_once);
    const Ids one{5};
    std::vector<float> single(1);
    const double expected = -log_softmax(continued.logits(), one.front());
    continued.score(one, 1, single);
    EXPECT_NEAR(single.front(), expected, 1e-5);
}

TEST(SessionScore, RefusesATokenThatNothingPredicts) {
    Session session(model(), plain());
    std::vector<float> nll(10);
    expect_error(Code::out_of_range, [&] { session.score(random_ids(10), 10, nll); });
    expect_error(Code::out_of_range, [&] { session.score(random_ids(10), 0, nll); });
    session.prefill(random_ids(3));
    expect_error(Code::out_of_range, [&] { session.score(random_ids(9), 10, nll); });
}

TEST(SessionDeciMamba, KeepsTheProtectedTailAndWhatTheCapacitySays) {
    Session session(model(), decimamba(60, 7));
    session.prefill(random_ids(150));
    const std::vector<std::int64_t> kept = kept_of(session);
    ASSERT_EQ(kept.size(), 37U);  // layer 5: 60 · .5, and the tail
    EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
    for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(kept[30 + i], static_cast<std::int64_t>(143 + i));
    EXPECT_EQ(session.position(), 150);
}

TEST(SessionDeciMamba, IsThePlainModelWhenNothingIsDropped) {
    EXPECT_EQ(prefilled(decimamba(1000), random_ids(19)), prefilled(plain(), random_ids(19)));
}

TEST(SessionDeciMamba, RefusesLogitsOfTokensItMayDrop) {
    const Ids ids = random_ids(150);
    const auto vocab = static_cast<std::size_t>(model()->architecture().vocab_size);
    Session session(model(), decimamba(60, 5));
    Logits logits(6 * vocab);
    std::vector<float> nll(5);
    expect_error(Code::out_of_range, [&] { session.prefill_logits(ids, 6, logits); });
    expect_error(Code::out_of_range, [&] { session.score(ids, 5, nll); });
    EXPECT_EQ(session.position(), 0);
    session.prefill_logits(ids, 5, std::span(logits).first(5 * vocab));
    session.reset();
    session.score(ids, 4, nll);
    EXPECT_NEAR(nll[3], -log_softmax(std::span(logits).subspan(3 * vocab, vocab), ids[149]), 1e-5);
}

TEST(SessionLongMamba, CountsTheTokensOfAllCalls) {
    const Ids first = random_ids(80, 1);
    const Ids second = random_ids(40, 2);
    Session filtering(model(), longmamba());
    Session unfiltered(model(), plain());
    filtering.prefill(first);
    unfiltered.prefill(first);
    EXPECT_EQ(logits_of(filtering), logits_of(unfiltered));  // within the training length
    filtering.prefill(second);
    unfiltered.prefill(second);
    EXPECT_NE(logits_of(filtering), logits_of(unfiltered));  // S = 120
}

TEST(SessionLongMamba, ReadsInTwoCallsAsInOneWhenTheLengthIsExpected) {
    const Ids first = random_ids(80, 1);
    const Ids second = random_ids(40, 2);
    SessionOptions options = longmamba();
    options.context.expected_tokens = 120;
    Session session(model(), options);
    session.prefill(first);
    session.prefill(second);
    EXPECT_EQ(logits_of(session), prefilled(longmamba(), joined(first, second)));
}

TEST(SessionLongMamba, DecodesWithDeltaAsItIs) {
    const Ids prompt = random_ids(120);
    Session session(model(), longmamba());
    session.prefill(prompt);
    session.decode(17);
    EXPECT_NE(logits_of(session), prefilled(longmamba(), joined(prompt, {17})));
    Session beyond(model(), longmamba());
    beyond.decode(17);
    EXPECT_EQ(logits_of(beyond), prefilled(plain(), {17}));
}

TEST(SessionProgress, RisesToTheNumberOfTokens) {
    for (SessionOptions options : {plain(), decimamba(60), longmamba()}) {
        std::vector<std::uint64_t> seen;
        options.progress = [&](std::uint64_t done, std::uint64_t total) {
            EXPECT_EQ(total, 150U);
            seen.push_back(done);
            return 0;
        };
        Session(model(), options).prefill(random_ids(150));
        ASSERT_GT(seen.size(), 10U);
        EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
        EXPECT_EQ(seen.back(), 150U);
        EXPECT_LT(seen.front(), 150U);
    }
}

// A session that is stopped in its second prompt by `stop`, at several points of it, and then goes
// on.
template <typename Stop>
void expect_unharmed_by(const Stop& stop) {
    const Ids first = random_ids(90, 1);
    const Ids second = random_ids(150, 2);
    for (SessionOptions options : {plain(), decimamba(60), longmamba()}) {
        Session untouched(model(), options);
        untouched.prefill(first);
        const Logits before = logits_of(untouched);
        const auto kept_before = kept_of(untouched);
        untouched.prefill(second);
        for (const int reports : {1, 7, 15}) {
            int left = -1;  // not in the first prompt
            Session* running = nullptr;
            options.progress = [&](std::uint64_t, std::uint64_t) {
                return left > 0 && --left == 0 ? stop(*running) : 0;
            };
            Session session(model(), options);
            running = &session;
            session.prefill(first);
            left = reports;
            expect_error(Code::cancelled, [&] { session.prefill(second); });
            EXPECT_EQ(left, 0);
            EXPECT_EQ(session.position(), 90);
            EXPECT_EQ(logits_of(session), before);
            EXPECT_EQ(kept_of(session), kept_before);
            session.prefill(second);
            EXPECT_EQ(logits_of(session), logits_of(untouched));
        }
    }
}

TEST(SessionCancel, ByTheProgressCallbackLeavesTheSessionAsItWas) {
    expect_unharmed_by([](Session&) { return 1; });
}

TEST(SessionCancel, FromAnotherThreadLeavesTheSessionAsItWas) {
    expect_unharmed_by([](Session& session) {
        std::thread([&] { session.cancel(); }).join();
        return 0;
    });
}

TEST(SessionCancel, WithoutARunningCallHasNoEffect) {
    Session session(model(), plain());
    session.cancel();
    session.prefill(random_ids(20));
    session.cancel();
    EXPECT_EQ(session.generate({}, 3, {}), 3U);
}

SamplingOptions hot(std::uint64_t seed) {
    SamplingOptions sampling;
    sampling.temperature = 1.0;
    sampling.seed = seed;
    sampling.ignore_end_of_text = true;
    return sampling;
}

struct Generated {
    Ids tokens;
    std::string text;
    bool operator==(const Generated&) const = default;
};

Generated generated(const SamplingOptions& sampling, std::size_t count) {
    Session session(model(), plain());
    session.prefill(random_ids(50));
    Generated result;
    const std::size_t told =
        session.generate(sampling, count, [&](std::int32_t token, std::string_view text) {
            result.tokens.push_back(token);
            result.text += text;
            return 0;
        });
    EXPECT_EQ(told, result.tokens.size());
    EXPECT_EQ(session.position(), 50 + static_cast<std::int64_t>(told));
    return result;
}

TEST(SessionGenerate, IsTheSameWithTheSameSeed) {
    EXPECT_EQ(generated(hot(3), 60), generated(hot(3), 60));
    EXPECT_NE(generated(hot(3), 60), generated(hot(4), 60));
}

TEST(SessionGenerate, TellsTextThatJoinsToThatOfTheTokens) {
    for (const std::uint64_t seed : {1, 2, 3}) {
        const Generated result = generated(hot(seed), 80);
        EXPECT_EQ(result.tokens.size(), 80U);
        EXPECT_EQ(result.text, model()->tokenizer().decode(result.tokens));
    }
}

TEST(SessionGenerate, EndsItsTextWhereTheLastTokenLeavesACodePointOpen) {
    SamplingOptions any_token = hot(1);
    any_token.temperature = 1e6;
    int open_ends = 0;
    for (; any_token.seed < 150 && open_ends < 3; ++any_token.seed) {
        const Generated result = generated(any_token, 2);
        EXPECT_EQ(result.text, model()->tokenizer().decode(result.tokens));
        if (result.text.ends_with("\xEF\xBF\xBD")) ++open_ends;
    }
    EXPECT_GT(open_ends, 0);
}

TEST(SessionGenerate, GreedilyTakesTheLikeliestAndReadsIt) {
    SamplingOptions greedy;
    greedy.ignore_end_of_text = true;
    Session manual(model(), plain());
    manual.prefill(random_ids(50));
    Ids expected;
    for (int i = 0; i < 40; ++i) {
        expected.push_back(argmax(manual.logits()));
        manual.decode(expected.back());
    }
    EXPECT_EQ(generated(greedy, 40).tokens, expected);
}

TEST(SessionGenerate, StopsBeforeTheEndOfText) {
    // The model is trained to answer this with a number and the end of the text.
    const Ids prompt = model()->tokenizer().encode(
        "She resolved to live again. What is the pass key? The pass key is");
    const auto answer = [&](bool ignore_end_of_text) {
        SamplingOptions sampling;
        sampling.ignore_end_of_text = ignore_end_of_text;
        Session session(model(), plain());
        session.prefill(prompt);
        Ids tokens;
        const std::size_t told =
            session.generate(sampling, 30, [&](std::int32_t token, std::string_view) {
                tokens.push_back(token);
                return 0;
            });
        EXPECT_EQ(told, tokens.size());
        return tokens;
    };
    const Ids all = answer(true);
    EXPECT_EQ(all.size(), 30U);
    const auto end = std::find(all.begin(), all.end(), model()->architecture().end_of_text);
    ASSERT_NE(end, all.end());
    ASSERT_NE(end, all.begin());
    EXPECT_EQ(answer(false), Ids(all.begin(), end));
}

TEST(SessionGenerate, StandsBehindEveryTokenItHasToldWhenTheCallbackStopsIt) {
    Session session(model(), plain());
    session.prefill(random_ids(50));
    Ids told;
    expect_error(Code::cancelled, [&] {
        (void)session.generate(hot(1), 20, [&](std::int32_t token, std::string_view) {
            told.push_back(token);
            return told.size() == 5 ? 1 : 0;
        });
    });
    EXPECT_EQ(told.size(), 5U);
    EXPECT_EQ(session.position(), 55);
    EXPECT_EQ(logits_of(session), prefilled(plain(), joined(random_ids(50), told)));
}

// Its threads share the work before the host has the logits, and the host does it alone after.
TEST(SessionGenerate, RanksWithThreadsAsWithout) {
    SessionOptions options = plain();
    options.threads = 3;
    Session session(model(), options);
    session.prefill(random_ids(50));
    const Ranking found = session.logits_view().rank(40, 0.8);
    const Ranking expected = rank_tokens(session.logits(), 40, 0.8);
    EXPECT_EQ(found.weight, expected.weight);
    EXPECT_EQ(found.numbers, expected.numbers);
    ASSERT_EQ(found.best.size(), 40U);
    for (std::size_t i = 0; i < found.best.size(); ++i) {
        EXPECT_EQ(found.best[i].token, expected.best[i].token);
    }
}

// Nearly all of the logits are no numbers: their tokens are neither taken nor told, and weigh nothing.
TEST(SessionGenerate, TellsLogProbabilitiesOfNumbersOnly) {
    Logits logits(static_cast<std::size_t>(model()->architecture().vocab_size),
                  std::numeric_limits<float>::quiet_NaN());
    logits[5] = std::log(0.75F);
    logits[9] = std::log(0.25F);
    SamplingOptions sampling;
    sampling.likeliest = 3;
    std::vector<TokenLogProbability> told;
    sampling.on_log_probabilities = [&](TokenLogProbability chosen, auto likeliest) {
        told.assign(likeliest.begin(), likeliest.end());
        told.push_back(chosen);
        return 0;
    };
    Generation generation(model()->tokenizer(), -1, sampling, 1, std::nullopt);
    EXPECT_EQ(generation.next(LogitsView(logits)).token, 5);
    ASSERT_EQ(told.size(), 3U);
    const Ids tokens{told[0].token, told[1].token, told[2].token};
    EXPECT_EQ(tokens, (Ids{5, 9, 5}));
    EXPECT_NEAR(told[0].log_probability, std::log(0.75), 1e-6);
    EXPECT_NEAR(told[1].log_probability, std::log(0.25), 1e-6);
}

TEST(SessionGenerate, CanBeCancelledFromAnotherThread) {
    Session session(model(), plain());
    session.prefill(random_ids(50));
    std::size_t told = 0;
    expect_error(Code::cancelled, [&] {
        (void)session.generate(hot(1), 1000000, [&](std::int32_t, std::string_view) {
            if (++told == 3) std::thread([&] { session.cancel(); }).join();
            return 0;
        });
    });
    EXPECT_EQ(told, 3U);
    EXPECT_EQ(session.position(), 53);
}

}  // namespace
}  // namespace sipo
