/* What all languages wrap: sipo.hpp as it stands, and how its errors and callbacks cross over.
 *
 * A language's own file defines the module and SIPO_RETURN (how a wrapper that failed returns), includes
 * this file, and has typemaps before that for
 *   const std::string&, std::string                          text, UTF-8 with a length
 *   (const std::int32_t* ids, std::size_t count)             an array to read
 *   (const float* biases, std::size_t bias_count)            as the next
 *   (const unsigned char* bytes, std::size_t length)
 *   (float* logits, std::size_t capacity)                    an array to fill
 *   std::vector<std::int32_t>, <long long>, <float>, <double> and <unsigned char>   arrays as results
 *   sipo::ProgressFunction, sipo::LogFunction, sipo::LogProbabilitiesFunction, const sipo::TokenFunction&
 *
 * A class that is new in sipo.hpp needs a line here only for what brings a second function of one name
 * (an overload that takes a vector, a default argument) and for new types of arguments. */
%{
#include "callbacks.hpp"
%}

%exception {
    try {
        $action
    } catch (...) {
        sipo::binding::fail_with_current_exception();
        SIPO_RETURN;
    }
}

/* The library reads these up to their first NUL. */
%typemap(check) const std::string& path, const std::string& directory, const std::string& output,
                const std::string& profile, const std::string& name, const std::string& preset {
    if (sipo::binding::refuse_nul(*$1, "$1_name")) { SIPO_RETURN; }
}

/* The fixed-width types of this platform. */
namespace std {
typedef int int32_t;
typedef ::size_t size_t;
}
typedef int int32_t;

/* Errors are exceptions of the language; the C handles stay inside. */
%ignore sipo::Error;
%ignore sipo::detail;
%ignore *::get;

/* One function of each name, with all its arguments: the facades have the defaults. */
%ignore sipo::import_checkpoint(const std::string&, const std::string&);
%ignore sipo::export_checkpoint(const std::string&, const std::string&);
%ignore sipo::quantize(const std::string&, const std::string&);
%ignore sipo::write_preset(const std::string&, const std::string&);
%ignore sipo::Model::open(const std::string&);
%ignore sipo::Model::detokenize(const std::vector<std::int32_t>&) const;
%ignore sipo::SessionOptions::layers(const std::vector<std::int32_t>&);
%ignore sipo::SessionOptions::filtered_channels(Channels);
%ignore sipo::SamplingOptions::repetition_penalty(double);
%ignore sipo::Session::prefill(const std::vector<std::int32_t>&);
%ignore sipo::Session::prefill_logits(const std::vector<std::int32_t>&, std::size_t);
%ignore sipo::Session::score(const std::vector<std::int32_t>&, std::size_t);
%ignore sipo::Session::generate(std::size_t, const TokenFunction&);
%ignore sipo::Session::generate(std::size_t);
%ignore sipo::Session::prefill_cached(const Cache&, const std::vector<std::int32_t>&);
%ignore sipo::Session::save(const std::string&) const;
%ignore sipo::Session::save_memory() const;
%ignore sipo::Session::load_memory(const std::vector<unsigned char>&);
%ignore sipo::Workers::Workers(const Model&);
%ignore sipo::Cache::Cache(const Model&);
%ignore sipo::Request::next();
%ignore sipo::Scheduler::submit(const SessionOptions&, const SamplingOptions&,
                                const std::vector<std::int32_t>&, std::size_t);
%ignore sipo::token_hash(const std::vector<std::int32_t>&);
%ignore sipo::Analysis::measure(const SessionOptions&, const std::vector<std::int32_t>&);
%ignore sipo::Analysis::measure(const SessionOptions&, const std::vector<std::int32_t>&,
                                const AnalysisOptions&);
%ignore sipo::Analysis::measure(const SessionOptions&, const std::int32_t*, std::size_t);
%ignore sipo::Analysis::memory(const SessionOptions&, long long);

/* Lists of texts and of sessions, in a form that needs no typemap. */
%ignore sipo::Model::profiles;
%extend sipo::Model {
    /* Names of the calibration profiles, each with a line feed. */
    std::string profile_lines() const {
        std::string lines;
        for (const std::string& name : $self->profiles()) lines += name + '\n';
        return lines;
    }
}
%ignore sipo::batch_decode;
%ignore sipo::Session::choose;

/* Of no use beside the version as text. */
%ignore sipo::version_number;

/* Tokens and their biases as two lists, which the facades keep equally long. */
%ignore sipo::SamplingOptions::logit_bias;
%extend sipo::SamplingOptions {
    void logit_biases(const std::int32_t* ids, std::size_t count, const float* biases,
                      std::size_t bias_count) {
        $self->logit_bias(ids, biases, count < bias_count ? count : bias_count);
    }
}

/* Only the library makes them. Members of a class type would be addresses. */
%nodefaultctor sipo::RequestToken;
%ignore sipo::RequestToken::token;
%ignore sipo::RequestToken::text;
%extend sipo::RequestToken {
    std::int32_t id_of() const { return $self->token; }
    std::string text_of() const { return $self->text; }
}

/* All facts about an object at once; the facades know the order. */
%ignore *::statistic;
%extend sipo::Session {
    std::vector<double> statistics() const {
        return sipo::binding::statistics(
            *$self, {SIPO_SESSION_PROMPT_TOKENS, SIPO_SESSION_REUSED_TOKENS, SIPO_SESSION_PREFILL_SECONDS,
                     SIPO_SESSION_FIRST_TOKEN_SECONDS, SIPO_SESSION_GENERATED_TOKENS,
                     SIPO_SESSION_GENERATION_SECONDS, SIPO_SESSION_FINISH});
    }
}
%extend sipo::Cache {
    std::vector<double> statistics() const {
        return sipo::binding::statistics(
            *$self, {SIPO_CACHE_PROMPTS, SIPO_CACHE_PROMPTS_REUSING, SIPO_CACHE_TOKENS_REUSED,
                     SIPO_CACHE_TOKENS_COMPUTED, SIPO_CACHE_TOKENS_INEXACT, SIPO_CACHE_ENTRIES,
                     SIPO_CACHE_BYTES, SIPO_CACHE_DIRECTORY_BYTES, SIPO_CACHE_EVICTIONS,
                     SIPO_CACHE_DAMAGED, SIPO_CACHE_WRITE_FAILURES});
    }
}
%extend sipo::Scheduler {
    std::vector<double> statistics() const {
        return sipo::binding::statistics(
            *$self, {SIPO_SCHEDULER_WAITING, SIPO_SCHEDULER_READING, SIPO_SCHEDULER_DECODING,
                     SIPO_SCHEDULER_SUBMITTED, SIPO_SCHEDULER_REFUSED, SIPO_SCHEDULER_FINISHED,
                     SIPO_SCHEDULER_CANCELLED, SIPO_SCHEDULER_FAILED, SIPO_SCHEDULER_PROMPT_TOKENS,
                     SIPO_SCHEDULER_REUSED_TOKENS, SIPO_SCHEDULER_GENERATED_TOKENS,
                     SIPO_SCHEDULER_BUSY_SECONDS});
    }
}
%extend sipo::Request {
    std::vector<double> statistics() const {
        return sipo::binding::statistics(
            *$self, {SIPO_REQUEST_PROMPT_TOKENS, SIPO_REQUEST_PROMPT_DONE, SIPO_REQUEST_REUSED_TOKENS,
                     SIPO_REQUEST_QUEUED_SECONDS, SIPO_REQUEST_FIRST_TOKEN_SECONDS,
                     SIPO_REQUEST_GENERATED_TOKENS, SIPO_REQUEST_GENERATION_SECONDS,
                     SIPO_REQUEST_LONGEST_WAIT_SECONDS, SIPO_REQUEST_FINISH});
    }
}

%ignore sipo::Calibration::measure;
%extend sipo::Calibration {
    /* Measures as many sequences of `length` tokens as there are in `ids`. */
    static sipo::Calibration measure_sequences(const sipo::Model& model, const std::int32_t* ids,
                                               std::size_t count, std::size_t length,
                                               const sipo::CalibrationOptions& options) {
        return sipo::Calibration::measure(model, ids, length > 0 ? count / length : 0, length,
                                          options);
    }
}

/* In one step, so that a calibration does not change for those who have it. */
%ignore sipo::Calibration::settings;
%ignore sipo::Calibration::save;
%extend sipo::Calibration {
    /* With the settings of a session, or none when they are null. */
    void save_with(const std::string& path, const std::string& profile,
                   const sipo::SessionOptions* settings) {
        sipo::detail::check(sipo_calibration_set_settings(
            $self->get(), settings != nullptr ? settings->get() : nullptr));
        $self->save(path, profile);
    }
}

%ignore sipo::AnalysisOptions::map_channels;
%extend sipo::AnalysisOptions {
    /* Pairs of a layer and a channel, one after the other. */
    void map_pairs(const std::int32_t* ids, std::size_t count) {
        std::vector<std::int32_t> layers, channels;
        for (std::size_t i = 0; i + 1 < count; i += 2) {
            layers.push_back(ids[i]);
            channels.push_back(ids[i + 1]);
        }
        $self->map_channels(layers, channels);
    }
}
%ignore sipo::Analysis::reals;
%ignore sipo::Analysis::integers;
%extend sipo::Analysis {
    std::vector<float> log_decay() const { return $self->reals(SIPO_ANALYSIS_LOG_DECAY); }
    std::vector<float> receptive_field() const { return $self->reals(SIPO_ANALYSIS_RECEPTIVE_FIELD); }
    std::vector<float> delta_mean() const { return $self->reals(SIPO_ANALYSIS_DELTA_MEAN); }
    std::vector<float> delta_skipped() const { return $self->reals(SIPO_ANALYSIS_DELTA_SKIPPED); }
    std::vector<float> delta_norm() const { return $self->reals(SIPO_ANALYSIS_DELTA_NORM); }
    std::vector<float> delta_edges() const { return $self->reals(SIPO_ANALYSIS_DELTA_EDGES); }
    std::vector<float> maps() const { return $self->reals(SIPO_ANALYSIS_MAPS); }
    std::vector<long long> places() const { return $self->integers(SIPO_ANALYSIS_PLACES); }
    std::vector<long long> map_places() const { return $self->integers(SIPO_ANALYSIS_MAP_PLACES); }
    std::vector<long long> classes() const { return $self->integers(SIPO_ANALYSIS_CLASSES); }
    std::vector<long long> delta_histogram() const {
        return $self->integers(SIPO_ANALYSIS_DELTA_HISTOGRAM);
    }
    std::vector<long long> layer_tokens() const { return $self->integers(SIPO_ANALYSIS_LAYER_TOKENS); }
    std::vector<long long> kept_tokens() const { return $self->integers(SIPO_ANALYSIS_KEPT_TOKENS); }
    std::vector<long long> map_layers() const { return $self->integers(SIPO_ANALYSIS_MAP_LAYERS); }
    std::vector<long long> map_channels() const { return $self->integers(SIPO_ANALYSIS_MAP_CHANNELS); }
}

%extend sipo::SessionOptions {
    void layers(const std::int32_t* ids, std::size_t count) {
        sipo::detail::check(sipo_session_options_set_layers($self->get(), ids, count));
    }
}
%extend sipo::Session {
    /* Logits after the last token, into the caller's array; how many they are. */
    long long logits_into(float* logits, std::size_t capacity) const {
        std::size_t count = 0;
        sipo::detail::check(sipo_session_logits($self->get(), logits, capacity, &count));
        return static_cast<long long>(count);
    }
}

%include <sipo/sipo.hpp>

namespace sipo {
namespace binding {
class Batch {
public:
    void add(Session* session, std::int32_t token);
    void decode() const;
};
class Choice {
public:
    void add(const std::string& text);
    long long make(Session* session);
    std::vector<float> log_probabilities() const;
};
}
}
