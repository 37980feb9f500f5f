// sipo_batch_decode(): many sessions, one pass, the same tokens.
#include "hostile_fixture.hpp"

namespace sipo_tests {
namespace {

class Batch : public HostileArguments {};

TEST_F(Batch, GivesEachSessionWhatItWouldGetAlone) {
    constexpr std::size_t sessions = 70;  // more than go through the head together
    std::vector<Session> together;
    std::vector<Session> alone;
    std::vector<sipo_session*> handles;
    std::vector<std::int32_t> tokens;
    for (std::size_t i = 0; i < sessions; ++i) {
        const std::vector<std::int32_t> prompt = some_ids(1 + i % 5);
        for (auto* list : {&together, &alone}) {
            list->push_back(session_for(options));
            ASSERT_EQ(sipo_session_prefill(list->back().get(), prompt.data(), prompt.size()),
                      SIPO_OK);
        }
        handles.push_back(together.back().get());
        tokens.push_back(static_cast<std::int32_t>(7 * i + 1));
    }
    ASSERT_EQ(sipo_batch_decode(handles.data(), tokens.data(), sessions), SIPO_OK);
    for (std::size_t i = 0; i < sessions; ++i) {
        ASSERT_EQ(sipo_session_decode(alone[i].get(), tokens[i]), SIPO_OK);
        EXPECT_EQ(position_of(together[i]), position_of(alone[i]));
        std::int32_t likeliest[2] = {-7, -7};
        ASSERT_EQ(sipo_session_likeliest(together[i].get(), &likeliest[0]), SIPO_OK);
        ASSERT_EQ(sipo_session_likeliest(alone[i].get(), &likeliest[1]), SIPO_OK);
        EXPECT_EQ(likeliest[0], likeliest[1]);
        EXPECT_EQ(logits_of(together[i]), logits_of(alone[i]));
    }
}

TEST_F(Batch, RefusesWhatCannotBeABatchAndReadsNothing) {
    read_prompt();
    const Model other_model = open_model();
    const SessionOptions other_options = options_for(other_model);
    const Session other = session_for(other_options);
    const std::int32_t tokens[] = {1, 2};
    const std::int32_t wrong[] = {1, 4096};
    sipo_session* const twice[] = {session.get(), session.get()};
    sipo_session* const strangers[] = {session.get(), other.get()};
    const Session sibling = session_for(options);
    sipo_session* const siblings[] = {session.get(), sibling.get()};
    REFUSED(sipo_batch_decode(twice, tokens, 2), SIPO_INVALID_STATE);
    REFUSED_SAYING(sipo_batch_decode(strangers, tokens, 2), SIPO_INVALID_ARGUMENT, "session 1");
    REFUSED_SAYING(sipo_batch_decode(siblings, wrong, 2), SIPO_OUT_OF_RANGE, "4096", "0 to 4095");
    REFUSED(sipo_batch_decode(siblings, tokens, 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_batch_decode(siblings, tokens, huge), SIPO_OUT_OF_RANGE);
    EXPECT_EQ(position_of(session), 8);
    EXPECT_EQ(position_of(sibling), 0);
    EXPECT_EQ(sipo_batch_decode(siblings, tokens, 2), SIPO_OK);
}

}  // namespace
}  // namespace sipo_tests
