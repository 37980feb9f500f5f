/* Go: package sipo/internal/native, which only package sipo uses. */
%module native

%insert(cgo_comment_typedefs) %{
#cgo pkg-config: sipo
#cgo CXXFLAGS: -std=c++14 -O2 -fno-strict-aliasing
%}

/* A panic that unwinds C++ frames would skip their destructors. So a wrapper that failed returns nothing,
 * and what went wrong waits, per thread, until take_failure() asks. In functions without a result the name
 * means the object below. */
%{
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

namespace {
const struct NoResult {
} _swig_go_result{};

template <typename Result>
struct Nothing {
    static Result value() { return Result(); }
};
template <>
struct Nothing<const NoResult> {
    static void value() {}
};
}  // namespace
%}
#define SIPO_RETURN return Nothing<decltype(_swig_go_result)>::value()

%include <std_string.i>
%typemap(out, fragment="AllocateString") std::string %{
    if ($1.empty()) {
        $result = Nothing<decltype($result)>::value();
    } else {
        $result = Swig_AllocateString($1.data(), $1.size());
    }
%}
%typemap(goout, fragment="CopyString") std::string %{
    if len($1) > 0 {
        $result = swigCopyString($1)
    }
%}

/* Slices are read and filled where they are; results are copied into new slices. */
%define %slice(TYPE, SIZE, GOTYPE)
%typemap(gotype) (TYPE, std::size_t SIZE) "[]GOTYPE"
%typemap(in) (TYPE, std::size_t SIZE) %{
    $1 = static_cast<$1_ltype>($input.array);
    $2 = static_cast<std::size_t>($input.len);
%}
%enddef
%slice(const std::int32_t* ids, count, int32)
%slice(const float* biases, bias_count, float32)
%slice(const unsigned char* bytes, length, byte)
%slice(float* logits, capacity, float32)

%define %slice_result(CTYPE, GOTYPE)
%typemap(gotype) std::vector<CTYPE> "[]GOTYPE"
%typemap(out) std::vector<CTYPE> {
    const std::vector<CTYPE>& values = $1;
    const std::size_t bytes = values.size() * sizeof(CTYPE);
    $result.array = bytes > 0 ? std::malloc(bytes) : nullptr;
    if (bytes > 0 && $result.array == nullptr) {
        sipo::binding::host::fail(SIPO_OUT_OF_MEMORY, "out of memory");
    }
    $result.len = $result.array != nullptr ? static_cast<intgo>(values.size()) : 0;
    $result.cap = $result.len;
    if ($result.len > 0) std::memcpy($result.array, values.data(), bytes);
}
%typemap(goout) std::vector<CTYPE> %{
    if values := $1; len(values) > 0 {
        $result = append($result, values...)
        Swig_free(uintptr(unsafe.Pointer(&values[0])))
    }
%}
%enddef
%slice_result(std::int32_t, int32)
%slice_result(long long, int64)
%slice_result(float, float32)
%slice_result(double, float64)
%slice_result(unsigned char, byte)

/* Listeners come as cgo.Handle numbers; 0 is none. */
%typemap(gotype) sipo::ProgressFunction, sipo::LogFunction, sipo::LogProbabilitiesFunction,
                 const sipo::TokenFunction& "uint64"
%typemap(in) sipo::ProgressFunction %{ $1 = sipo::binding::progress_function($input); %}
%typemap(in) sipo::LogProbabilitiesFunction %{
    $1 = sipo::binding::log_probabilities_function($input);
%}
%typemap(in) sipo::LogFunction %{ $1 = sipo::binding::log_function($input); %}
%typemap(in) const sipo::TokenFunction& (sipo::TokenFunction function) %{
    function = sipo::binding::token_function($input);
    $1 = &function;
%}

/* The facade has the array that is filled. */
%ignore sipo::Session::logits;

%include "../sipo.i"

%{
/* callbacks.go */
extern "C" {
int sipoGoProgress(std::uintptr_t listener, long long done, long long total, std::uintptr_t* thrown);
int sipoGoToken(std::uintptr_t listener, std::int32_t token, char* text, std::size_t length,
                std::uintptr_t* thrown);
int sipoGoLogProbabilities(std::uintptr_t listener, std::int32_t token, float log_probability,
                           std::int32_t* likeliest, float* log_probabilities, std::size_t count,
                           std::uintptr_t* thrown);
void sipoGoLog(std::uintptr_t listener, int level, char* line, std::size_t length,
               std::uintptr_t* thrown);
void sipoGoRelease(std::uintptr_t object);
}

namespace sipo {
namespace binding {

struct Failure {
    sipo_status status = SIPO_OK;
    std::string message;
    Handle thrown = 0;
};
thread_local Failure failure;

namespace host {
void release(Handle object) noexcept { sipoGoRelease(object); }
bool progress(Handle listener, long long done, long long total, Handle* thrown) {
    return sipoGoProgress(listener, done, total, thrown) != 0;
}
bool token(Handle listener, std::int32_t token, const std::string& text, Handle* thrown) {
    return sipoGoToken(listener, token, const_cast<char*>(text.data()), text.size(), thrown) != 0;
}
bool log_probabilities(Handle listener, std::int32_t token, float log_probability,
                       const std::vector<std::int32_t>& likeliest,
                       const std::vector<float>& log_probabilities, Handle* thrown) {
    return sipoGoLogProbabilities(listener, token, log_probability,
                                  const_cast<std::int32_t*>(likeliest.data()),
                                  const_cast<float*>(log_probabilities.data()), likeliest.size(),
                                  thrown) != 0;
}
void log(Handle listener, int level, const std::string& line, Handle* thrown) {
    sipoGoLog(listener, level, const_cast<char*>(line.data()), line.size(), thrown);
}
void fail(sipo_status status, const char* message) noexcept {
    if (failure.status != SIPO_OK) return;
    failure.status = status;
    try {
        failure.message = message;
    } catch (...) {
        failure.message.clear();
    }
}
void rethrow(Handle thrown) noexcept {
    if (failure.thrown != 0) return release(thrown);
    failure.status = SIPO_CANCELLED;
    failure.thrown = thrown;
}
}  // namespace host

}  // namespace binding
}  // namespace sipo
%}

%exception;
%inline %{
/* Status of the first call of this thread that failed since the last time, SIPO_OK if none did; its message
 * and what was thrown. */
int take_failure() {
    return std::exchange(sipo::binding::failure.status, SIPO_OK);
}
std::string failure_message() { return sipo::binding::failure.message; }
unsigned long long take_thrown() {
    return std::exchange(sipo::binding::failure.thrown, sipo::binding::Handle(0));
}
%}
