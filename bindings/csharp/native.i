/* C#: the internal class Sipo.Native with static functions over addresses; the facade classes own them. */
%module(imclassname="NativeMethods") Native
%pragma(csharp) moduleclassmodifiers="internal class"
%pragma(csharp) imclassclassmodifiers="internal class"
%include "enumsimple.swg"

#define SIPO_RETURN return $null

%typemap(imtype) SWIGTYPE *, SWIGTYPE &, SWIGTYPE "global::System.IntPtr"
%typemap(cstype) SWIGTYPE *, SWIGTYPE &, SWIGTYPE "global::System.IntPtr"
%typemap(csin) SWIGTYPE *, SWIGTYPE &, SWIGTYPE "$csinput"
%typemap(csout, excode=SWIGEXCODE) SWIGTYPE *, SWIGTYPE &, SWIGTYPE {
    global::System.IntPtr ret = $imcall;$excode
    return ret;
  }

/* Sizes have the width of an address. */
%typemap(ctype) std::size_t, size_t "std::size_t"
%typemap(imtype) std::size_t, size_t "global::System.UIntPtr"
%typemap(cstype) std::size_t, size_t "global::System.UIntPtr"
%typemap(csin) std::size_t, size_t "$csinput"
%typemap(csout, excode=SWIGEXCODE) std::size_t, size_t {
    global::System.UIntPtr ret = $imcall;$excode
    return ret;
  }
%typemap(in) std::size_t, size_t "$1 = $input;"
%typemap(out) std::size_t, size_t "$result = $1;"

/* Arrays are pinned by the facade. */
%define %pinned_array(TYPE)
%typemap(ctype) TYPE "void*"
%typemap(imtype) TYPE "global::System.IntPtr"
%typemap(cstype) TYPE "global::System.IntPtr"
%typemap(csin) TYPE "$csinput"
%typemap(in) TYPE "$1 = static_cast<$1_ltype>($input);"
%enddef
%pinned_array(const std::int32_t* ids)
%pinned_array(float* logits)
%pinned_array(const float* biases)
%pinned_array(const unsigned char* bytes)

/* Text in: the address of its bytes and their number. */
%typemap(ctype) const std::string& "sipo::binding::Text*"
%typemap(imtype) const std::string& "ref Utf8"
%typemap(cstype) const std::string& "ref Utf8"
%typemap(csin) const std::string& "ref $csinput"
%typemap(in) const std::string& (std::string text) {
    if (!sipo::binding::read_text(*$input, &text)) return $null;
    $1 = &text;
}

/* Text and arrays out: a block that NativeArray reads and frees. */
%define %array_result(TYPE)
%typemap(ctype) TYPE "sipo::binding::Block*"
%typemap(imtype) TYPE "global::System.IntPtr"
%typemap(cstype) TYPE "global::System.IntPtr"
%typemap(out) TYPE %{ $result = sipo::binding::new_block($1); %}
%typemap(csout, excode=SWIGEXCODE) TYPE {
    global::System.IntPtr ret = $imcall;$excode
    return ret;
  }
%enddef
%array_result(std::string)
%array_result(std::vector<std::int32_t>)
%array_result(std::vector<long long>)
%array_result(std::vector<float>)
%array_result(std::vector<double>)
%array_result(std::vector<unsigned char>)

/* Listeners come as GCHandles; 0 is none. */
%define %listener(TYPE)
%typemap(ctype) TYPE "void*"
%typemap(imtype) TYPE "global::System.IntPtr"
%typemap(cstype) TYPE "global::System.IntPtr"
%typemap(csin) TYPE "$csinput"
%enddef
%listener(sipo::ProgressFunction)
%listener(sipo::LogFunction)
%listener(sipo::LogProbabilitiesFunction)
%listener(const sipo::TokenFunction&)
%typemap(in) sipo::ProgressFunction %{
    $1 = sipo::binding::progress_function(reinterpret_cast<sipo::binding::Handle>($input));
%}
%typemap(in) sipo::LogFunction %{
    $1 = sipo::binding::log_function(reinterpret_cast<sipo::binding::Handle>($input));
%}
%typemap(in) sipo::LogProbabilitiesFunction %{
    $1 = sipo::binding::log_probabilities_function(reinterpret_cast<sipo::binding::Handle>($input));
%}
%typemap(in) const sipo::TokenFunction& (sipo::TokenFunction function) %{
    function = sipo::binding::token_function(reinterpret_cast<sipo::binding::Handle>($input));
    $1 = &function;
%}

%{
#include "csharp_host.hpp"
%}

/* The facade has the array that is filled. */
%ignore sipo::Session::logits;

%include "../sipo.i"
