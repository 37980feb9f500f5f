// What callbacks.hpp asks of Java: listeners are global references, called through static methods of
// sipo.Upcalls, which has the same methods on its side.
#pragma once

#include <jni.h>

#include <limits>
#include <string>
#include <vector>

#include "callbacks.hpp"

namespace sipo {
namespace binding {

struct Upcalls {
    JavaVM* vm = nullptr;
    jclass owner = nullptr;
    jmethodID progress = nullptr;
    jmethodID token = nullptr;
    jmethodID log_probabilities = nullptr;
    jmethodID log = nullptr;
    jmethodID error = nullptr;
};
inline Upcalls& upcalls() {
    static Upcalls found;
    return found;
}

// The environment of this thread. A thread of the library's own becomes a daemon of the VM until it ends.
inline JNIEnv* environment() {
    struct Attached {
        ~Attached() {
            if (attached) upcalls().vm->DetachCurrentThread();
        }
        bool attached = false;
    };
    static thread_local Attached thread;
    void* found = nullptr;
    JavaVM* const vm = upcalls().vm;
    if (vm->GetEnv(&found, JNI_VERSION_10) == JNI_OK) return static_cast<JNIEnv*>(found);
    if (vm->AttachCurrentThreadAsDaemon(&found, nullptr) != JNI_OK) return nullptr;
    thread.attached = true;
    return static_cast<JNIEnv*>(found);
}

// Lets go of the local references that a callback makes: a thread of the library has no caller that would.
class LocalFrame {
public:
    explicit LocalFrame(JNIEnv* env) : env_(env), pushed_(env->PushLocalFrame(8) == JNI_OK) {}
    ~LocalFrame() {
        if (pushed_) env_->PopLocalFrame(nullptr);
    }
    LocalFrame(const LocalFrame&) = delete;
    LocalFrame& operator=(const LocalFrame&) = delete;

private:
    JNIEnv* env_;
    bool pushed_;
};

inline Handle keep(JNIEnv* env, jobject object) {
    return object == nullptr ? 0 : reinterpret_cast<Handle>(env->NewGlobalRef(object));
}

inline jobject object_of(Handle handle) { return reinterpret_cast<jobject>(handle); }

// What the callback threw, if it did.
inline Handle take_exception(JNIEnv* env) {
    const jthrowable thrown = env->ExceptionOccurred();
    if (thrown == nullptr) return 0;
    env->ExceptionClear();
    return keep(env, thrown);
}

inline jsize array_size(std::size_t size) {
    if (size <= static_cast<std::size_t>(std::numeric_limits<jsize>::max())) {
        return static_cast<jsize>(size);
    }
    host::fail(SIPO_OUT_OF_RANGE, "the result is longer than a Java array");
    return -1;
}

// The array, or null with an OutOfMemoryError under way.
inline jbyteArray new_bytes(JNIEnv* env, const std::string& text) {
    const jsize size = array_size(text.size());
    const jbyteArray bytes = size < 0 ? nullptr : env->NewByteArray(size);
    if (bytes != nullptr) {
        env->SetByteArrayRegion(bytes, 0, size, reinterpret_cast<const jbyte*>(text.data()));
    }
    return bytes;
}

inline bool refuse_null(jobject object) {
    if (object == nullptr) host::fail(SIPO_INVALID_ARGUMENT, "an array or a text is null");
    return object == nullptr;
}

inline bool read_text(JNIEnv* env, jbyteArray bytes, std::string* text) try {
    if (refuse_null(bytes)) return false;
    const jsize size = env->GetArrayLength(bytes);
    text->resize(static_cast<std::size_t>(size));
    if (size > 0) env->GetByteArrayRegion(bytes, 0, size, reinterpret_cast<jbyte*>(&(*text)[0]));
    return true;
} catch (...) {
    fail_with_current_exception();
    return false;
}

// `region` is one of JNIEnv's functions that copy a part of an array.
template <typename Array, typename JavaElement, typename Element>
bool read_array(JNIEnv* env, Array array, void (JNIEnv::*region)(Array, jsize, jsize, JavaElement*),
                std::vector<Element>* copy) try {
    if (refuse_null(array)) return false;
    const jsize size = env->GetArrayLength(array);
    copy->resize(static_cast<std::size_t>(size));
    if (size > 0) (env->*region)(array, 0, size, reinterpret_cast<JavaElement*>(copy->data()));
    return true;
} catch (...) {
    fail_with_current_exception();
    return false;
}

// From an int[] or a direct IntBuffer of which all is meant.
inline bool read_ids(JNIEnv* env, jobject source, std::vector<std::int32_t>* copy,
                     std::int32_t** ids, std::size_t* count) {
    if (refuse_null(source)) return false;
    if (void* const address = env->GetDirectBufferAddress(source)) {
        *ids = static_cast<std::int32_t*>(address);
        *count = static_cast<std::size_t>(env->GetDirectBufferCapacity(source));
        return true;
    }
    if (!read_array(env, static_cast<jintArray>(source), &JNIEnv::GetIntArrayRegion, copy)) {
        return false;
    }
    *ids = copy->data();
    *count = copy->size();
    return true;
}

namespace host {

inline void release(Handle object) noexcept {
    JNIEnv* const env = environment();
    if (env != nullptr) env->DeleteGlobalRef(object_of(object));
}

inline bool progress(Handle listener, long long done, long long total, Handle* thrown) {
    JNIEnv* const env = environment();
    if (env == nullptr) return false;
    const LocalFrame frame(env);
    const jboolean goes_on =
        env->CallStaticBooleanMethod(upcalls().owner, upcalls().progress, object_of(listener),
                                     static_cast<jlong>(done), static_cast<jlong>(total));
    *thrown = take_exception(env);
    return goes_on != JNI_FALSE;
}

inline bool token(Handle listener, std::int32_t token, const std::string& text, Handle* thrown) {
    JNIEnv* const env = environment();
    if (env == nullptr) return false;
    const LocalFrame frame(env);
    jboolean goes_on = JNI_FALSE;
    if (const jbyteArray bytes = new_bytes(env, text)) {
        goes_on = env->CallStaticBooleanMethod(
            upcalls().owner, upcalls().token, object_of(listener), static_cast<jint>(token), bytes);
    }
    *thrown = take_exception(env);
    return goes_on != JNI_FALSE;
}

inline bool log_probabilities(Handle listener, std::int32_t token, float log_probability,
                              const std::vector<std::int32_t>& likeliest,
                              const std::vector<float>& log_probabilities, Handle* thrown) {
    JNIEnv* const env = environment();
    if (env == nullptr) return false;
    const LocalFrame frame(env);
    const jsize size = array_size(likeliest.size());
    const jintArray ids = size < 0 ? nullptr : env->NewIntArray(size);
    const jfloatArray values = ids == nullptr ? nullptr : env->NewFloatArray(size);
    jboolean goes_on = JNI_FALSE;
    if (values != nullptr) {
        env->SetIntArrayRegion(ids, 0, size, likeliest.data());
        env->SetFloatArrayRegion(values, 0, size, log_probabilities.data());
        goes_on = env->CallStaticBooleanMethod(upcalls().owner, upcalls().log_probabilities,
                                               object_of(listener), static_cast<jint>(token),
                                               static_cast<jfloat>(log_probability), ids, values);
    }
    *thrown = take_exception(env);
    return goes_on != JNI_FALSE;
}

inline void log(Handle listener, int level, const std::string& line, Handle* thrown) {
    JNIEnv* const env = environment();
    if (env == nullptr) return;
    const LocalFrame frame(env);
    if (const jbyteArray bytes = new_bytes(env, line)) {
        env->CallStaticVoidMethod(upcalls().owner, upcalls().log, object_of(listener),
                                  static_cast<jint>(level), bytes);
    }
    *thrown = take_exception(env);
}

inline void fail(sipo_status status, const char* message) noexcept {
    JNIEnv* const env = environment();
    if (env == nullptr || env->ExceptionCheck()) return;
    try {
        const LocalFrame frame(env);
        const jbyteArray bytes = new_bytes(env, message);
        if (bytes == nullptr) return;
        const jobject error = env->CallStaticObjectMethod(upcalls().owner, upcalls().error,
                                                          static_cast<jint>(status), bytes);
        if (!env->ExceptionCheck() && error != nullptr) env->Throw(static_cast<jthrowable>(error));
    } catch (const std::bad_alloc&) {
        const jclass found = env->FindClass("java/lang/OutOfMemoryError");
        if (found != nullptr) env->ThrowNew(found, "out of memory");
    }
}

inline void rethrow(Handle thrown) noexcept {
    JNIEnv* const env = environment();
    if (env == nullptr) return;
    if (!env->ExceptionCheck()) env->Throw(static_cast<jthrowable>(object_of(thrown)));
    env->DeleteGlobalRef(object_of(thrown));
}

}  // namespace host
}  // namespace binding
}  // namespace sipo

extern "C" JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM* vm, void*) {
    sipo::binding::Upcalls& found = sipo::binding::upcalls();
    void* address = nullptr;
    if (vm->GetEnv(&address, JNI_VERSION_10) != JNI_OK) return JNI_ERR;
    JNIEnv* const env = static_cast<JNIEnv*>(address);
    const jclass owner = env->FindClass("sipo/Upcalls");
    if (owner == nullptr) return JNI_ERR;
    found.vm = vm;
    found.owner = static_cast<jclass>(env->NewGlobalRef(owner));
    const auto method = [&](const char* name, const char* signature) {
        return found.owner != nullptr && !env->ExceptionCheck()
                   ? env->GetStaticMethodID(found.owner, name, signature)
                   : nullptr;
    };
    found.progress = method("progress", "(Lsipo/ProgressListener;JJ)Z");
    found.token = method("token", "(Lsipo/TokenListener;I[B)Z");
    found.log_probabilities =
        method("logProbabilities", "(Lsipo/LogProbabilitiesListener;IF[I[F)Z");
    found.log = method("log", "(Lsipo/LogListener;I[B)V");
    found.error = method("error", "(I[B)Lsipo/SipoException;");
    return env->ExceptionCheck() ? JNI_ERR : JNI_VERSION_10;
}
