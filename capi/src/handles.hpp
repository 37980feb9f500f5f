// What the opaque types of sipo.h are.
#pragma once

#include <atomic>
#include <memory>

#include "base/error.hpp"
#include "import/import_checkpoint.hpp"
#include "session/calibrate.hpp"
#include "session/open_model.hpp"
#include "session/session.hpp"
#include "sipo/sipo.h"

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
    sipo_session(std::shared_ptr<const sipo::OpenModel> model, const sipo::SessionOptions& options)
        : session(std::move(model), options) {}
    sipo::Session session;
    mutable std::atomic<bool> busy{false};
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

// Makes a handle and hands it to the caller last, when nothing can fail any more.
template <typename Handle, typename... Parts>
void give(Handle** out, Parts&&... parts) {
    *out = std::make_unique<Handle>(std::forward<Parts>(parts)...).release();
}

}  // namespace sipo::capi
