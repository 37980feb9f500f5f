/* Java: the package-private class sipo.Native with static functions over addresses; the façade classes own
 * them. JNI passes text as bytes, because its own strings are not UTF-8 where it matters (NUL, U+10000 and
 * above). */
%module(jniclassname="NativeJNI", moduleclassmodifiers="class") Native
%pragma(java) jniclassclassmodifiers="class"
%include "enumsimple.swg"

#define SIPO_RETURN return $null

/* Objects are addresses. */
%typemap(jstype) SWIGTYPE *, SWIGTYPE &, SWIGTYPE "long"
%typemap(javain) SWIGTYPE *, SWIGTYPE &, SWIGTYPE "$javainput"
%typemap(javaout) SWIGTYPE *, SWIGTYPE &, SWIGTYPE "{ return $jnicall; }"

%typemap(jni) const std::string&, std::string "jbyteArray"
%typemap(jtype) const std::string&, std::string "byte[]"
%typemap(jstype) const std::string&, std::string "byte[]"
%typemap(javain) const std::string& "$javainput"
%typemap(javaout) std::string "{ return $jnicall; }"
%typemap(in) const std::string& (std::string text) {
    if (!sipo::binding::read_text(jenv, $input, &text)) return $null;
    $1 = &text;
}
%typemap(out) std::string %{
    $result = sipo::binding::new_bytes(jenv, $1);
%}

/* Arrays of int: copied once, so that the collector is not held up by a long call. Direct buffers: as they
 * are. */
%typemap(jni) (const std::int32_t* ids, std::size_t count) "jobject"
%typemap(jtype) (const std::int32_t* ids, std::size_t count) "Object"
%typemap(jstype) (const std::int32_t* ids, std::size_t count) "Object"
%typemap(javain) (const std::int32_t* ids, std::size_t count) "$javainput"
%typemap(in) (const std::int32_t* ids, std::size_t count) (std::vector<std::int32_t> copy) {
    if (!sipo::binding::read_ids(jenv, $input, &copy, &$1, &$2)) return $null;
}
%define %copied_array(TYPE, SIZE, JNIARRAY, JAVAARRAY, ELEMENT, NAME)
%typemap(jni) (const TYPE, std::size_t SIZE) "JNIARRAY"
%typemap(jtype) (const TYPE, std::size_t SIZE) "JAVAARRAY"
%typemap(jstype) (const TYPE, std::size_t SIZE) "JAVAARRAY"
%typemap(javain) (const TYPE, std::size_t SIZE) "$javainput"
%typemap(in) (const TYPE, std::size_t SIZE) (std::vector<ELEMENT> copy) {
    if (!sipo::binding::read_array(jenv, $input, &JNIEnv::Get##NAME##ArrayRegion, &copy)) return $null;
    $1 = copy.data();
    $2 = copy.size();
}
%enddef
%copied_array(float* biases, bias_count, jfloatArray, float[], float, Float)
%copied_array(unsigned char* bytes, length, jbyteArray, byte[], unsigned char, Byte)
%typemap(jni) (float* logits, std::size_t capacity) "jobject"
%typemap(jtype) (float* logits, std::size_t capacity) "java.nio.FloatBuffer"
%typemap(jstype) (float* logits, std::size_t capacity) "java.nio.FloatBuffer"
%typemap(javain) (float* logits, std::size_t capacity) "$javainput"
%typemap(in) (float* logits, std::size_t capacity) {
    $1 = static_cast<float*>(jenv->GetDirectBufferAddress($input));
    $2 = static_cast<std::size_t>(jenv->GetDirectBufferCapacity($input));
}

%define %array_result(CTYPE, ELEMENT, ARRAY, JAVATYPE, NAME)
%typemap(jni) std::vector<CTYPE> "ARRAY"
%typemap(jtype) std::vector<CTYPE> "JAVATYPE[]"
%typemap(jstype) std::vector<CTYPE> "JAVATYPE[]"
%typemap(javaout) std::vector<CTYPE> "{ return $jnicall; }"
%typemap(out) std::vector<CTYPE> {
    const std::vector<CTYPE>& values = $1;
    const jsize size = sipo::binding::array_size(values.size());
    $result = size < 0 ? nullptr : jenv->New##NAME##Array(size);
    if ($result != nullptr) {
        jenv->Set##NAME##ArrayRegion($result, 0, size, reinterpret_cast<const ELEMENT*>(values.data()));
    }
}
%enddef
%array_result(std::int32_t, jint, jintArray, int, Int)
%array_result(long long, jlong, jlongArray, long, Long)
%array_result(float, jfloat, jfloatArray, float, Float)
%array_result(double, jdouble, jdoubleArray, double, Double)
%array_result(unsigned char, jbyte, jbyteArray, byte, Byte)

%define %listener(TYPE, JAVATYPE)
%typemap(jni) TYPE "jobject"
%typemap(jtype) TYPE "JAVATYPE"
%typemap(jstype) TYPE "JAVATYPE"
%typemap(javain) TYPE "$javainput"
%enddef
%listener(sipo::ProgressFunction, ProgressListener)
%listener(sipo::LogFunction, LogListener)
%listener(sipo::LogProbabilitiesFunction, LogProbabilitiesListener)
%listener(const sipo::TokenFunction&, TokenListener)
%typemap(in) sipo::ProgressFunction %{
    $1 = sipo::binding::progress_function(sipo::binding::keep(jenv, $input));
%}
%typemap(in) sipo::LogFunction %{
    $1 = sipo::binding::log_function(sipo::binding::keep(jenv, $input));
%}
%typemap(in) sipo::LogProbabilitiesFunction %{
    $1 = sipo::binding::log_probabilities_function(sipo::binding::keep(jenv, $input));
%}
%typemap(in) const sipo::TokenFunction& (sipo::TokenFunction function) %{
    function = sipo::binding::token_function(sipo::binding::keep(jenv, $input));
    $1 = &function;
%}

%{
#include "java_host.hpp"
%}
%include "../sipo.i"
