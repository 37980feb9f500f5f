// Damages snapshots in thousands of ways, always the same ones. Whatever happens, a session either
// loads the state that was saved or refuses and stays as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.hpp"
#include "format/layout.hpp"
#include "fuzz/damage.hpp"
#include "parity/checkpoints.hpp"
#include "session/session.hpp"

namespace sipo {
namespace {

using Bytes = std::vector<std::byte>;

#if defined(__SANITIZE_ADDRESS__)
constexpr int iterations = 600;
#else
constexpr int iterations = 2500;  // four kinds: 10,000
#endif

class SnapshotMutations : public testing::TestWithParam<Encoding> {
protected:
    SnapshotMutations() {
        SessionOptions options;
        options.threads = 1;
        options.context.method = context::Method::decimamba;
        options.context.decimation_capacity = 30;
        session_ = std::make_unique<Session>(model(), options);
        std::vector<std::int32_t> ids(60);
        for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(1 + 7 * i);
        session_->prefill(ids);
        SamplingOptions sampling;
        sampling.temperature = 1.0;
        (void)session_->generate(sampling, 3, {});
        saved_ = values(session_->logits());
        intact_ = session_->save(GetParam());
        header_offset_ = decode_prelude(intact_, "test", FileKind::snapshot).header_offset;
        session_->decode(5);
        standing_ = values(session_->logits());
    }

    static const std::shared_ptr<const OpenModel>& model() {
        static const auto opened = parity::open_checkpoint(parity::mamba1_checkpoint);
        return opened;
    }

    static std::vector<float> values(std::span<const float> logits) {
        return {logits.begin(), logits.end()};
    }

    void reseal(Bytes& bytes) const {
        const auto header = std::span(bytes).subspan(header_offset_);
        const auto start = encode_prelude({.header_offset = header_offset_,
                                           .header_bytes = header.size(),
                                           .header_checksum = checksum_of(header)},
                                          FileKind::snapshot);
        std::copy(start.begin(), start.end(), bytes.begin());
    }

    // Whether it was loaded. `sealed`: the checksums do not vouch for the header, so another state
    // may be a legal one.
    bool loads(const Bytes& bytes, bool sealed) {
        try {
            session_->load(bytes, "test");
        } catch (const Error& error) {
            EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
            EXPECT_EQ(values(session_->logits()), standing_);
            return false;
        }
        if (!sealed) {
            EXPECT_EQ(values(session_->logits()), saved_);
        }
        // What was loaded can be used.
        std::vector<std::int64_t> kept(static_cast<std::size_t>(session_->kept_count() % 100000));
        if (session_->kept_count() < 100000) session_->kept_tokens(kept);
        session_->load(intact_, "test");
        session_->decode(5);
        EXPECT_EQ(values(session_->logits()), standing_);
        return true;
    }

    std::unique_ptr<Session> session_;
    Bytes intact_;
    std::uint64_t header_offset_ = 0;
    std::vector<float> saved_;
    std::vector<float> standing_;
};

TEST_P(SnapshotMutations, FlippedBits) {
    std::mt19937_64 random(1);
    int loaded = 0;
    for (int i = 0; i < iterations; ++i) {
        Bytes damaged = intact_;
        flip_bits(damaged, 0, 3, random);
        loaded += loads(damaged, false) ? 1 : 0;
    }
    EXPECT_LT(loaded, iterations / 20);  // only padding carries nothing
}

TEST_P(SnapshotMutations, Truncated) {
    std::mt19937_64 random(2);
    for (int i = 0; i < iterations; ++i) {
        Bytes damaged = intact_;
        damaged.resize(random() % damaged.size());
        EXPECT_FALSE(loads(damaged, false));
    }
}

TEST_P(SnapshotMutations, HeadersWithFlippedBitsAndTrueChecksums) {
    std::mt19937_64 random(3);
    for (int i = 0; i < iterations; ++i) {
        Bytes damaged = intact_;
        flip_bits(damaged, header_offset_, 4, random);
        reseal(damaged);
        loads(damaged, true);
    }
}

TEST_P(SnapshotMutations, HeadersWithExtremeNumbersAndTrueChecksums) {
    std::mt19937_64 random(4);
    for (int i = 0; i < iterations; ++i) {
        Bytes damaged = intact_;
        put_extreme_number(damaged, header_offset_, random);
        reseal(damaged);
        loads(damaged, true);
    }
}

INSTANTIATE_TEST_SUITE_P(Encodings, SnapshotMutations,
                         testing::Values(Encoding::raw, Encoding::zstd_planes),
                         [](const testing::TestParamInfo<Encoding>& which) {
                             return which.param == Encoding::raw ? "Raw" : "Zstd";
                         });

}  // namespace
}  // namespace sipo
