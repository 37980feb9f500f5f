#include "session/calibrate.hpp"

#include <algorithm>
#include <cmath>

#include "base/checked.hpp"
#include "base/cpu_count.hpp"
#include "context/calibration.hpp"
#include "session/machinery.hpp"
#include "session/recurrent_state.hpp"

namespace sipo {
namespace {

using backend::View;

// All sequences pass through one machine, whole: a channel's Δ has to be seen at once.
class Calibrator {
public:
    Calibrator(const OpenModel& model, std::int64_t sequences, std::int64_t length,
               const CalibrateOptions& options)
        : model_(model.model()),
          options_(options),
          length_(length),
          total_(static_cast<std::uint64_t>(sequences * model.architecture().n_layers)),
          machinery_(model_, resolve_threads(options.threads)),
          state_(*machinery_.stream, model.architecture()),
          pool_(resolve_threads(options.threads)),
          calibration_(model.architecture(), length, sequences, options.clamp) {
        machinery_.reserve(length, length);
        delta_.resize(
            static_cast<std::size_t>(checked_mul(length, model_.architecture().delta_channels())));
    }

    void add_sequence(std::span<const std::int32_t> ids) {
        backend::Stream& stream = *machinery_.stream;
        const View residual = View(*machinery_.residual).row_range(0, length_);
        state_.clear(stream);
        stream.embed(model_.embedding(), ids, residual);
        for (std::int64_t layer = 0; layer < model_.architecture().n_layers; ++layer) {
            const LayerState state = state_.layer(layer);
            model_.block(layer).project(stream, residual, state.conv(), *machinery_.work);
            observe(layer);
            model_.block(layer).mix(stream, length_, {}, state.ssm(), residual, *machinery_.work);
            report(options_.progress, ++done_, total_);
        }
    }

    [[nodiscard]] CalibrationProfile finish() const { return calibration_.finish("default"); }

private:
    void observe(std::int64_t layer) {
        machinery_.stream->download(machinery_.work->delta(length_), delta_);
        if (!std::all_of(delta_.begin(), delta_.end(), [](float v) { return std::isfinite(v); })) {
            fail(Code::backend_error, "layer ", layer, " gives a Δ that is not a finite number");
        }
        calibration_.add_layer(layer, delta_, model_.block(layer).a(), pool_);
    }

    const Model& model_;
    const CalibrateOptions& options_;
    std::int64_t length_;
    std::uint64_t done_ = 0;
    std::uint64_t total_;
    Machinery machinery_;
    RecurrentState state_;
    ThreadPool pool_;
    context::Calibration calibration_;
    std::vector<float> delta_;  // [length, delta channels]
};

}  // namespace

CalibrationProfile calibrate(const OpenModel& model, std::span<const std::int32_t> ids,
                             std::int64_t sequences, std::int64_t length,
                             const CalibrateOptions& options) {
    model.check_ids(ids);
    Calibrator calibrator(model, sequences, length, options);
    for (std::int64_t s = 0; s < sequences; ++s) {
        calibrator.add_sequence(
            ids.subspan(static_cast<std::size_t>(s * length), static_cast<std::size_t>(length)));
    }
    return calibrator.finish();
}

}  // namespace sipo
