/* What all languages wrap: sipo.hpp as it stands, and how its errors and callbacks cross over.
 *
 * A language's own file defines the module and SIPO_RETURN (how a wrapper that failed returns), includes
 * this file, and has typemaps before that for
 *   const std::string&, std::string                          text, UTF-8 with a length
 *   (const std::int32_t* ids, std::size_t count)             an array to read
 *   (float* logits, std::size_t capacity)                    an array to fill
 *   std::vector<std::int32_t>, <long long> and <float>       arrays as results
 *   sipo::ProgressFunction, sipo::LogFunction, const sipo::TokenFunction&
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

/* Not bound yet: snapshots, caches, the scheduler, analysis and what else came with them. */
%ignore sipo::AnalysisOptions;
%ignore sipo::Analysis;
%ignore sipo::Workers;
%ignore sipo::SnapshotOptions;
%ignore sipo::CacheOptions;
%ignore sipo::Cache;
%ignore sipo::SchedulerOptions;
%ignore sipo::RequestToken;
%ignore sipo::Request;
%ignore sipo::Scheduler;
%ignore sipo::SessionOptions::workers;
%ignore sipo::SamplingOptions::stop;
%ignore sipo::SamplingOptions::logit_bias;
%ignore sipo::SamplingOptions::log_probabilities;
%ignore sipo::Session::prefill_cached;
%ignore sipo::Session::choose;
%ignore sipo::Session::fork;
%ignore sipo::Session::save;
%ignore sipo::Session::load;
%ignore sipo::Session::save_memory;
%ignore sipo::Session::load_memory;
%ignore sipo::Session::statistic;

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
}
}
