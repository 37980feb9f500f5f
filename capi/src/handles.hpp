// What the opaque types of sipo.h are.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "arguments.hpp"
#include "base/error.hpp"
#include "import/import_checkpoint.hpp"
#include "session/analyze.hpp"
#include "session/calibrate.hpp"
#include "session/open_model.hpp"
#include "session/prefix_cache.hpp"
#include "session/scheduler.hpp"
#include "session/session.hpp"
#include "sipo/sipo.h"
#include "status.hpp"

struct sipo_model_options {
    sipo::OpenOptions options;
};

struct sipo_model {
    std::shared_ptr<const sipo::OpenModel> model;
};

struct sipo_session_options {
    std::shared_ptr<const sipo::OpenModel> model;
    sipo::SessionOptions options;
};

struct sipo_session {
    explicit sipo_session(std::unique_ptr<sipo::Session> made) : session(std::move(made)) {}
    std::unique_ptr<sipo::Session> session;  // never null
    mutable std::atomic<bool> busy{false};
};

struct sipo_workers {
    std::shared_ptr<const sipo::OpenModel> model;  // outlives the machinery
    std::shared_ptr<sipo::Machinery> machinery;
};

struct sipo_snapshot_options {
    sipo::Encoding encoding = sipo::Encoding::raw;
    sipo::Flush flush = sipo::Flush::to_device;
};

struct sipo_cache_options {
    sipo::PrefixCacheOptions options;
};

struct sipo_cache {
    std::shared_ptr<sipo::PrefixCache> cache;
};

struct sipo_scheduler_options {
    std::shared_ptr<const sipo::OpenModel> model;
    sipo::SchedulerOptions options;
};

struct sipo_scheduler {
    std::unique_ptr<sipo::Scheduler> scheduler;
};

struct sipo_request {
    std::shared_ptr<sipo::Request> request;
};

struct sipo_snapshot {
    std::vector<std::byte> bytes;
};

struct sipo_sampling_options {
    sipo::SamplingOptions options;
};

struct sipo_import_options {
    sipo::ImportOptions options;
    sipo::ProgressFn progress;
};

struct sipo_calibration_options {
    sipo::CalibrateOptions options;
};

struct sipo_calibration {
    std::shared_ptr<const sipo::CalibrationProfile> profile;
};

struct sipo_analysis_options {
    sipo::AnalyzeOptions options;
};

struct sipo_analysis {
    sipo::Analysis result;
};

namespace sipo::capi {

// Holds a session for one call; a second thread, or a callback of the first, is refused.
class SessionUse {
public:
    explicit SessionUse(const sipo_session& session) : session_(session) {
        if (session_.busy.exchange(true, std::memory_order_acquire)) {
            fail(Code::invalid_state, "the session is in use by another call");
        }
    }
    ~SessionUse() { session_.busy.store(false, std::memory_order_release); }
    SessionUse(const SessionUse&) = delete;
    SessionUse& operator=(const SessionUse&) = delete;

private:
    const sipo_session& session_;
};

// Runs fn(session) while no other call does.
template <typename Handle, typename Fn>
sipo_status with_session(Handle* handle, const Fn& fn) noexcept {
    return guarded([&] {
        auto& target = require(handle, "session");
        const SessionUse use(target);
        fn(*target.session);
    });
}

// Makes a handle and hands it to the caller last, when nothing can fail any more.
template <typename Handle, typename... Parts>
void give(Handle** out, Parts&&... parts) {
    *out = std::make_unique<Handle>(std::forward<Parts>(parts)...).release();
}

}  // namespace sipo::capi
