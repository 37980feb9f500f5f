// How callbacks and exceptions cross between sipo.hpp and a managed language. Shared by the wrappers
// of all languages; each language's .i file defines the functions of `host`.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include <sipo/sipo.hpp>

namespace sipo {
namespace binding {

// An object of the managed language: a JNI global reference, a GCHandle or a cgo.Handle. 0 is none.
using Handle = std::uintptr_t;

// What the managed language provides.
namespace host {
// Lets go of an object. Any thread.
void release(Handle object) noexcept;
// Each calls the listener; a result of false stops the work. If the listener throws, *thrown is what it
// threw, owned by the caller.
bool progress(Handle listener, long long done, long long total, Handle* thrown);
bool token(Handle listener, std::int32_t token, const std::string& text, Handle* thrown);
bool log_probabilities(Handle listener, std::int32_t token, float log_probability,
                       const std::vector<std::int32_t>& likeliest,
                       const std::vector<float>& log_probabilities, Handle* thrown);
void log(Handle listener, int level, const std::string& line, Handle* thrown);
// Makes the wrapped function fail in its caller: with an error of the library, or with `thrown`, which
// it takes over.
void fail(sipo_status status, const char* message) noexcept;
void rethrow(Handle thrown) noexcept;
}  // namespace host

// Shared by everything that was made with a listener; the last one lets go of it.
class Owner {
public:
    explicit Owner(Handle object)
        : object_(new Handle(object), [](Handle* last) {
              if (*last != 0) host::release(*last);
              delete last;
          }) {}
    Handle get() const { return *object_; }
    // The object, no longer owned.
    Handle take() const {
        const Handle taken = *object_;
        *object_ = 0;
        return taken;
    }

private:
    std::shared_ptr<Handle> object_;
};

// Carries what a listener threw through the library.
struct Thrown {
    Owner exception;
};

inline void throw_if(Handle thrown) {
    if (thrown != 0) throw Thrown{Owner(thrown)};
}

inline ProgressFunction progress_function(Handle listener) {
    if (listener == 0) return ProgressFunction();
    const Owner owner(listener);
    return [owner](long long done, long long total) {
        Handle thrown = 0;
        const bool goes_on = host::progress(owner.get(), done, total, &thrown);
        throw_if(thrown);
        return goes_on;
    };
}

inline TokenFunction token_function(Handle listener) {
    if (listener == 0) return TokenFunction();
    const Owner owner(listener);
    return [owner](std::int32_t token, const std::string& text) {
        Handle thrown = 0;
        const bool goes_on = host::token(owner.get(), token, text, &thrown);
        throw_if(thrown);
        return goes_on;
    };
}

inline LogProbabilitiesFunction log_probabilities_function(Handle listener) {
    if (listener == 0) return LogProbabilitiesFunction();
    const Owner owner(listener);
    return [owner](std::int32_t token, float log_probability,
                   const std::vector<std::int32_t>& likeliest,
                   const std::vector<float>& log_probabilities) {
        Handle thrown = 0;
        const bool goes_on = host::log_probabilities(owner.get(), token, log_probability, likeliest,
                                                     log_probabilities, &thrown);
        throw_if(thrown);
        return goes_on;
    };
}

inline LogFunction log_function(Handle listener) {
    if (listener == 0) return LogFunction();
    const Owner owner(listener);
    return [owner](int level, const std::string& line) {
        Handle thrown = 0;
        host::log(owner.get(), level, line, &thrown);
        throw_if(thrown);
    };
}

// In a catch clause: makes the wrapped function fail in its caller.
inline void fail_with_current_exception() noexcept {
    try {
        throw;
    } catch (const Thrown& thrown) {
        host::rethrow(thrown.exception.take());
    } catch (const Error& error) {
        host::fail(error.status(), error.what());
    } catch (const std::bad_alloc&) {
        host::fail(SIPO_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& error) {
        host::fail(SIPO_INTERNAL, error.what());
    } catch (...) {
        host::fail(SIPO_INTERNAL, "an unknown exception");
    }
}

// Whether a text that the library reads up to its first NUL holds one; then the wrapped function fails.
inline bool refuse_nul(const std::string& text, const char* what) noexcept {
    if (text.find('\0') == std::string::npos) return false;
    try {
        throw Error(SIPO_INVALID_ARGUMENT, std::string(what) + " holds a NUL");
    } catch (...) {
        fail_with_current_exception();
    }
    return true;
}

// One step of several sessions together; see batch_decode().
class Batch {
public:
    void add(Session* session, std::int32_t token) {
        sessions_.push_back(session);
        tokens_.push_back(token);
    }
    void decode() const { batch_decode(sessions_, tokens_); }

private:
    std::vector<Session*> sessions_;
    std::vector<std::int32_t> tokens_;
};

// Texts for Session::choose().
class Choice {
public:
    void add(const std::string& text) { texts_.push_back(text); }
    long long make(Session* session) {
        return static_cast<long long>(session->choose(texts_, &log_probabilities_));
    }
    std::vector<float> log_probabilities() const { return log_probabilities_; }

private:
    std::vector<std::string> texts_;
    std::vector<float> log_probabilities_;
};

// Several facts about one object.
template <typename Object>
std::vector<double> statistics(const Object& object, std::initializer_list<int> ids) {
    std::vector<double> values;
    for (const int id : ids) values.push_back(static_cast<double>(object.statistic(id)));
    return values;
}

}  // namespace binding
}  // namespace sipo
