package native

// #include <stddef.h>
// #include <stdint.h>
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// Listeners of package sipo. A result of false stops the work.
type (
	ProgressFunc func(done, total int64) bool
	TokenFunc    func(token int32, text string) bool
	LogFunc      func(level int, line string)
	// LogProbabilitiesFunc keeps no slice.
	LogProbabilitiesFunc func(token int32, logProbability float32, likeliest []int32, logProbabilities []float32) bool
)

// Failure is what the library says about a call.
type Failure struct {
	Status  int
	Message string
}

// listener makes f known to the library under a number, which the library lets go of itself.
func listener(f any) uint64 { return uint64(cgo.NewHandle(f)) }

// Progress returns the number of a listener, 0 if it is nil.
func Progress(f ProgressFunc) uint64 {
	if f == nil {
		return 0
	}
	return listener(f)
}

// Tokens returns the number of a listener, 0 if it is nil.
func Tokens(f TokenFunc) uint64 {
	if f == nil {
		return 0
	}
	return listener(f)
}

// Log returns the number of a listener, 0 if it is nil.
func Log(f LogFunc) uint64 {
	if f == nil {
		return 0
	}
	return listener(f)
}

// LogProbabilities returns the number of a listener, 0 if it is nil.
func LogProbabilities(f LogProbabilitiesFunc) uint64 {
	if f == nil {
		return 0
	}
	return listener(f)
}

// Try runs one call of this package and returns how it failed, nil if it did not. A panic of a listener
// goes on from here.
func Try(call func()) *Failure {
	// The wrapper keeps the failure for its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	call()
	status := Take_failure()
	if status == 0 {
		return nil
	}
	if thrown := Take_thrown(); thrown != 0 {
		handle := cgo.Handle(thrown)
		value := handle.Value()
		handle.Delete()
		panic(value)
	}
	return &Failure{status, Failure_message()}
}

// remember is deferred by every function that the library calls: a panic must not unwind its frames.
func remember(thrown *C.uintptr_t) {
	if value := recover(); value != nil {
		*thrown = C.uintptr_t(cgo.NewHandle(value))
	}
}

func toInt(goesOn bool) C.int {
	if goesOn {
		return 1
	}
	return 0
}

//export sipoGoProgress
func sipoGoProgress(listener C.uintptr_t, done, total C.longlong, thrown *C.uintptr_t) (goesOn C.int) {
	defer remember(thrown)
	return toInt(cgo.Handle(listener).Value().(ProgressFunc)(int64(done), int64(total)))
}

//export sipoGoToken
func sipoGoToken(listener C.uintptr_t, token C.int32_t, text *C.char, length C.size_t, thrown *C.uintptr_t) (goesOn C.int) {
	defer remember(thrown)
	piece := string(unsafe.Slice((*byte)(unsafe.Pointer(text)), int(length)))
	return toInt(cgo.Handle(listener).Value().(TokenFunc)(int32(token), piece))
}

//export sipoGoLogProbabilities
func sipoGoLogProbabilities(listener C.uintptr_t, token C.int32_t, logProbability C.float, likeliest *C.int32_t,
	logProbabilities *C.float, count C.size_t, thrown *C.uintptr_t) (goesOn C.int) {
	defer remember(thrown)
	ids := unsafe.Slice((*int32)(unsafe.Pointer(likeliest)), int(count))
	values := unsafe.Slice((*float32)(unsafe.Pointer(logProbabilities)), int(count))
	f := cgo.Handle(listener).Value().(LogProbabilitiesFunc)
	return toInt(f(int32(token), float32(logProbability), ids, values))
}

//export sipoGoLog
func sipoGoLog(listener C.uintptr_t, level C.int, line *C.char, length C.size_t, thrown *C.uintptr_t) {
	defer remember(thrown)
	message := string(unsafe.Slice((*byte)(unsafe.Pointer(line)), int(length)))
	cgo.Handle(listener).Value().(LogFunc)(int(level), message)
}

//export sipoGoRelease
func sipoGoRelease(object C.uintptr_t) {
	cgo.Handle(object).Delete()
}
