#include "session/analyze.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "base/checked.hpp"
#include "base/cpu_count.hpp"
#include "base/error.hpp"
#include "context/calibration.hpp"
#include "context/measures.hpp"
#include "session/layer_record.hpp"
#include "session/memory.hpp"
#include "session/prefill.hpp"

namespace sipo {
namespace {

using context::ChannelInputs;
using context::DeltaBins;

constexpr std::int64_t classes = 2;

std::size_t at(std::int64_t row, std::int64_t width, std::int64_t column) {
    return static_cast<std::size_t>(row * width + column);
}

// Which profile LongMamba would take; null when there is none.
std::shared_ptr<const CalibrationProfile> profile_of(const OpenModel& model,
                                                     const SessionOptions& session) {
    if (session.calibration) return session.calibration;
    const auto& names = model.profile_names();
    const bool known = std::find(names.begin(), names.end(), session.profile) != names.end();
    return known ? model.profile(session.profile) : nullptr;
}

// Δ as the plan leaves it; how many steps it sets to 0.
std::int64_t filter(const context::LayerPlan& wish, std::int64_t channel, std::span<float> delta) {
    if (wish.delta_threshold.empty()) return 0;
    const float threshold = wish.delta_threshold[static_cast<std::size_t>(channel)];
    const float scale = wish.delta_scale[static_cast<std::size_t>(channel)];
    std::int64_t skipped = 0;
    for (float& step : delta) {
        const bool kept = step > threshold;
        skipped += kept ? 0 : 1;
        step = kept ? step * scale : 0.0F;
    }
    return skipped;
}

// Tokens before each place, of those at ascending `positions`.
std::vector<std::size_t> tokens_before(std::span<const std::int64_t> positions,
                                       std::span<const std::int64_t> places) {
    std::vector<std::size_t> counts;
    for (const std::int64_t place : places) {
        const auto end = std::lower_bound(positions.begin(), positions.end(), place);
        counts.push_back(static_cast<std::size_t>(end - positions.begin()));
    }
    return counts;
}

class Analyzer final : public PrefillObserver {
public:
    Analyzer(const OpenModel& model, const SessionOptions& session, const context::Plan& plan,
             Machinery& machinery, std::int64_t tokens, const AnalyzeOptions& options)
        : model_(model.model()),
          arch_(model.architecture()),
          options_(options),
          plan_(plan),
          profile_(profile_of(model, session)),
          log_threshold_(std::log(session.context.global_channel_threshold)),
          machinery_(machinery),
          tokens_(tokens),
          record_(arch_, tokens),
          pool_(resolve_threads(session.threads)) {
        const std::int64_t cells = arch_.n_layers * arch_.delta_channels();
        out_.layers = arch_.n_layers;
        out_.channels = arch_.delta_channels();
        out_.places = context::even_places(tokens, options.points);
        out_.map_places = context::even_places(tokens, options.map_size);
        out_.layer_tokens.resize(static_cast<std::size_t>(arch_.n_layers));
        out_.classes.resize(static_cast<std::size_t>(cells));
        out_.log_decay.resize(static_cast<std::size_t>(cells) * out_.places.size());
        for (auto* values : {&out_.receptive_field, &out_.delta_mean, &out_.delta_skipped}) {
            values->resize(static_cast<std::size_t>(cells));
        }
        out_.delta_norm.resize(static_cast<std::size_t>(arch_.n_layers) * out_.places.size());
        out_.delta_edges = DeltaBins::edges();
        out_.histogram.resize(static_cast<std::size_t>(arch_.n_layers * classes) *
                              DeltaBins::count);
    }

    void before_scan(std::int64_t layer, const backend::ScanInputs& inputs,
                     std::span<const std::int64_t> positions) override {
        if (layer != layer_) finish_layer();
        layer_ = layer;
        record_.add(*machinery_.stream, inputs, positions);
        report(positions.back() + 1, 0);
    }

    [[nodiscard]] Analysis finish(std::optional<std::vector<std::int64_t>> kept) {
        finish_layer();
        if (kept) {
            out_.kept = *std::move(kept);
        } else {
            out_.kept.resize(static_cast<std::size_t>(tokens_));
            std::iota(out_.kept.begin(), out_.kept.end(), std::int64_t{0});
        }
        return std::move(out_);
    }

private:
    static constexpr std::size_t channels_a_report = 64;

    // Half of a layer's work is to read the tokens, half to measure the channels.
    void report(std::int64_t tokens_read, std::int64_t channels_measured) const {
        const std::int64_t measured = channels_measured * tokens_ / out_.channels;
        sipo::report(options_.progress,
                     static_cast<std::uint64_t>(layer_ * tokens_ + (tokens_read + measured) / 2),
                     static_cast<std::uint64_t>(tokens_ * arch_.n_layers));
    }

    void finish_layer() {
        if (layer_ < 0 || record_.tokens() == 0) return;
        out_.layer_tokens[static_cast<std::size_t>(layer_)] =
            static_cast<std::int64_t>(record_.tokens());
        before_place_ = tokens_before(record_.positions(), out_.places);
        before_map_place_ = tokens_before(record_.positions(), out_.map_places);
        measure_norms();
        const auto channels = static_cast<std::size_t>(out_.channels);
        std::vector<Histogram> histograms(channels);
        for (std::size_t first = 0; first < channels; first += channels_a_report) {
            const std::size_t count = std::min(channels_a_report, channels - first);
            pool_.run(count, [&](std::size_t i) {
                histograms[first + i] = measure(static_cast<std::int64_t>(first + i));
            });
            report(tokens_, static_cast<std::int64_t>(first + count));
        }
        for (std::size_t c = 0; c < channels; ++c) add_histogram(c, histograms[c]);
        draw_maps();
        record_.clear();
    }

    using Histogram = std::array<std::uint32_t, DeltaBins::count>;

    // The mean of a stretch between two places; a stretch without tokens gives 0.
    void measure_norms() {
        std::size_t token = 0;
        for (std::size_t p = 0; p < out_.places.size(); ++p) {
            const std::size_t first = token;
            double sum = 0.0;
            for (; token < before_place_[p]; ++token) sum += record_.norm(token);
            const auto count = static_cast<double>(std::max<std::size_t>(token - first, 1));
            out_.delta_norm[static_cast<std::size_t>(layer_) * out_.places.size() + p] =
                static_cast<float>(sum / count);
        }
    }

    [[nodiscard]] Histogram measure(std::int64_t channel) {
        const std::size_t cell = at(layer_, out_.channels, channel);
        std::vector<float> delta(record_.tokens());
        record_.copy_delta(channel, delta);
        Histogram histogram{};
        double sum = 0.0;
        for (const float step : delta) {
            sum += static_cast<double>(step);
            ++histogram[DeltaBins::of(step)];
        }
        const auto count = static_cast<double>(delta.size());
        out_.delta_mean[cell] = static_cast<float>(sum / count);
        out_.classes[cell] = log_decay_at_training(channel, delta) > log_threshold_ ? 1 : 0;
        const std::int64_t skipped = filter(wish(), channel, delta);
        out_.delta_skipped[cell] = static_cast<float>(static_cast<double>(skipped) / count);
        const ChannelInputs inputs = record_.channel(channel, delta, model_.block(layer_).a());
        measure_decay(inputs, cell);
        std::vector<double> weights(delta.size());
        context::attention_row(inputs, delta.size() - 1, weights);
        out_.receptive_field[cell] =
            static_cast<float>(context::mean_distance(weights, record_.positions()));
        return histogram;
    }

    [[nodiscard]] double log_decay_at_training(std::int64_t channel,
                                               std::span<const float> delta) const {
        if (profile_)
            return static_cast<double>(profile_->log_decay[at(layer_, out_.channels, channel)]);
        const auto length = static_cast<std::size_t>(arch_.training_length);
        const ChannelInputs inputs = record_.channel(channel, delta, model_.block(layer_).a());
        return context::cumulative_log_decay(delta.first(std::min(length, delta.size())), inputs.a);
    }

    void measure_decay(const ChannelInputs& inputs, std::size_t cell) {
        double total = 0.0;
        std::size_t first = 0;
        for (std::size_t p = 0; p < out_.places.size(); ++p) {
            const std::size_t end = before_place_[p];
            total +=
                context::cumulative_log_decay(inputs.delta.subspan(first, end - first), inputs.a);
            out_.log_decay[cell * out_.places.size() + p] = static_cast<float>(total);
            first = end;
        }
    }

    void add_histogram(std::size_t channel, const Histogram& histogram) {
        const auto layer = static_cast<std::size_t>(layer_);
        const auto kind = static_cast<std::size_t>(
            out_.classes[layer * static_cast<std::size_t>(out_.channels) + channel]);
        const std::size_t first = (layer * classes + kind) * DeltaBins::count;
        for (std::size_t bin = 0; bin < DeltaBins::count; ++bin) {
            out_.histogram[first + bin] += histogram[bin];
        }
    }

    void draw_maps() {
        if (options_.map_size == 0) return;
        if (options_.map_channels.empty()) draw_map(typical_channel());
        for (const MapChannel& wanted : options_.map_channels) {
            if (wanted.layer == layer_) draw_map(wanted.channel);
        }
    }

    // The median of the global channels; the most lasting one where none is global.
    [[nodiscard]] std::int64_t typical_channel() const {
        std::vector<std::pair<double, std::int64_t>> ranked;
        std::vector<float> delta(record_.tokens());
        for (std::int64_t c = 0; c < out_.channels; ++c) {
            if (!profile_) record_.copy_delta(c, delta);
            ranked.emplace_back(-log_decay_at_training(c, delta), c);
        }
        std::sort(ranked.begin(), ranked.end());
        const auto global = std::count_if(ranked.begin(), ranked.end(), [this](const auto& entry) {
            return -entry.first > log_threshold_;
        });
        return ranked[static_cast<std::size_t>(global / 2)].second;
    }

    // Row r: the attention of the last token before place r, summed over the tokens of each stretch.
    void draw_map(std::int64_t channel) {
        const std::size_t size = out_.map_places.size();
        const std::size_t first = out_.maps.size();
        out_.map_layers.push_back(layer_);
        out_.map_channels.push_back(channel);
        out_.maps.resize(first + size * size);
        std::vector<float> delta(record_.tokens());
        record_.copy_delta(channel, delta);
        (void)filter(wish(), channel, delta);
        const ChannelInputs inputs = record_.channel(channel, delta, model_.block(layer_).a());
        pool_.run(size, [&](std::size_t row) {
            const std::size_t count = before_map_place_[row];
            if (count == 0) return;
            std::vector<double> weights(count);
            context::attention_row(inputs, count - 1, weights);
            std::size_t token = 0;
            for (std::size_t column = 0; column <= row; ++column) {
                double sum = 0.0;
                for (; token < before_map_place_[column]; ++token) sum += weights[token];
                out_.maps[first + row * size + column] = static_cast<float>(sum);
            }
        });
    }

    [[nodiscard]] const context::LayerPlan& wish() const {
        return plan_[static_cast<std::size_t>(layer_)];
    }

    const Model& model_;
    const Architecture& arch_;
    const AnalyzeOptions& options_;
    const context::Plan& plan_;
    std::shared_ptr<const CalibrationProfile> profile_;
    double log_threshold_;
    Machinery& machinery_;
    std::int64_t tokens_;
    std::int64_t layer_ = -1;  // whose chunks the record holds
    LayerRecord record_;
    std::vector<std::size_t> before_place_;      // [points], tokens of the record
    std::vector<std::size_t> before_map_place_;  // [map_size]
    ThreadPool pool_;
    Analysis out_;
};

void check_map_channels(const Architecture& arch, const AnalyzeOptions& options) {
    for (const MapChannel& wanted : options.map_channels) {
        if (wanted.layer < 0 || wanted.layer >= arch.n_layers || wanted.channel < 0 ||
            wanted.channel >= arch.delta_channels()) {
            fail(Code::out_of_range, "no channel ", wanted.channel, " of layer ", wanted.layer,
                 " for a map; there are ", arch.n_layers, " layers of ", arch.delta_channels());
        }
    }
}

}  // namespace

std::int64_t analysis_memory(const OpenModel& model, const SessionOptions& session,
                             std::int64_t tokens, const AnalyzeOptions& options) {
    constexpr std::int64_t number = sizeof(float);
    const Architecture& arch = model.architecture();
    const std::int64_t cells = arch.n_layers * arch.delta_channels();
    const auto chosen = static_cast<std::int64_t>(options.map_channels.size());
    const std::int64_t maps = options.map_size == 0 ? 0 : chosen > 0 ? chosen : arch.n_layers;
    const std::int64_t per_cell = options.points * number + 3 * number + 8;
    const auto histogram = std::int64_t{DeltaBins::count * sizeof(std::uint32_t)};
    const std::int64_t per_token = 8         // the kept tokens
                                   + number  // Δ of a channel that is drawn
                                   + resolve_threads(session.threads) * (number + 8);
    const std::int64_t chunk = std::min(chunk_of(model, session), tokens);
    std::int64_t bytes = checked_add(prefill_memory(model, session, tokens, true),
                                     RecurrentState::bytes(model.model().backend(), arch));
    // All of a layer, and what is fetched of a chunk.
    bytes = checked_add(bytes, LayerRecord::bytes(arch, tokens) + LayerRecord::bytes(arch, chunk));
    bytes = checked_add(bytes, (arch.delta_channels() + classes * arch.n_layers) * histogram);
    bytes = checked_add(bytes, checked_mul(tokens, per_token));
    bytes = checked_add(bytes, checked_mul(cells, per_cell));
    return checked_add(bytes, checked_mul(maps, options.map_size * options.map_size * number));
}

Analysis analyze(const OpenModel& model, const SessionOptions& session,
                 std::span<const std::int32_t> ids, const AnalyzeOptions& options) {
    const auto tokens = static_cast<std::int64_t>(ids.size());
    if (tokens < 2) fail(Code::out_of_range, tokens, " tokens to analyse; it takes 2 or more");
    model.check_ids(ids);
    check_map_channels(model.architecture(), options);
    check_memory("the analysis", analysis_memory(model, session, tokens, options),
                 options.memory_limit);
    const auto machinery = session.machinery ? session.machinery
                                             : std::make_shared<Machinery>(
                                                   model.model(), resolve_threads(session.threads));
    const context::Plan plan = plan_of(model, session, tokens, 0);
    const std::atomic<bool> cancelled{false};
    const ProgressFn no_progress;
    Analyzer analyzer(model, session, plan, *machinery, tokens, options);
    const PrefillTask task{.ids = ids,
                           .plan = plan,
                           .chunk_tokens = chunk_of(model, session),
                           .reused = 0,
                           .last = 1,
                           .on_logits = [](std::int64_t, backend::View) {},
                           .progress = no_progress,
                           .cancelled = cancelled,
                           .observer = &analyzer};
    const Turn turn(machinery->turns);
    const RecurrentState state(*machinery->stream, model.architecture());
    Prefill prefill(*machinery, state, task);
    prefill.run();
    return analyzer.finish(prefill.take_kept());
}

}  // namespace sipo
