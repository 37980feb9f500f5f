// A day of short requests in miniature: sessions come and go, and memory stays where it was.
//
// SIPO_TEST_SESSIONS sets how many (1500).
#include <fstream>

#include "services.hpp"

namespace sipo_tests {
namespace {

// Resident memory of this process in bytes.
std::int64_t resident() {
    std::ifstream in("/proc/self/statm");
    std::int64_t pages = 0;
    in >> pages >> pages;
    return pages * sysconf(_SC_PAGESIZE);
}

TEST(Soak, ShortSessionsLeaveNoMemoryBehind) {
#ifdef SIPO_SANITIZED
    GTEST_SKIP() << "a sanitizer keeps freed memory on purpose";
#endif
    const int sessions = number_from_environment("SIPO_TEST_SESSIONS", 1500);
    const Model model = open_model();
    const Workers workers =
        made<Workers>([&](sipo_workers** out) { return sipo_workers_create(model.get(), 1, out); });
    const SessionOptions options = options_for(model);
    OK(sipo_session_options_set_workers(options.get(), workers.get()));
    const Cache cache = cache_for(model, 4 << 20, "", 64);
    const SamplingOptions sampling = lively();
    const int warm_up = sessions / 10;
    std::int64_t before = 0;
    for (int i = 0; i < sessions; ++i) {
        if (i == warm_up) before = resident();
        const Session session = session_for(options);
        // Every tenth prompt goes through the cache and is saved, forked and taken back.
        const Ids ids = some_ids(i % 10 == 0 ? 70 : 4, static_cast<std::uint32_t>(i % 500));
        if (i % 10 == 0) {
            read_cached(session, cache, ids);
            OK(sipo_session_checkpoint(session.get(), "start"));
            const Session copy = made<Session>(
                [&](sipo_session** out) { return sipo_session_fork(session.get(), out); });
            const Snapshot snapshot = made<Snapshot>([&](sipo_snapshot** out) {
                return sipo_session_save_memory(copy.get(), nullptr, out);
            });
            const void* bytes = nullptr;
            std::size_t length = 0;
            OK(sipo_snapshot_bytes(snapshot.get(), &bytes, &length));
            OK(sipo_session_load_memory(session.get(), bytes, length));
            OK(sipo_session_rewind(session.get(), "start"));
        } else {
            read(session, ids);
        }
        (void)generate(session, sampling, 2);
    }
    const std::int64_t grown = resident() - before;
    std::printf("%d sessions: resident memory %+lld KiB\n", sessions,
                static_cast<long long>(grown / 1024));
    EXPECT_LT(grown, 16 << 20);
}

}  // namespace
}  // namespace sipo_tests
