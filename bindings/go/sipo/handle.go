package sipo

import (
	"runtime"
	"sync"
)

// handle guards an object of the library: no call uses it after Close, and Close frees it when the last
// call has returned.
type handle struct {
	mutex sync.Mutex
	open  bool
	uses  int
	free  func()
}

// acquire begins a use, which release ends.
func (h *handle) acquire() error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if !h.open {
		return ErrClosed
	}
	h.uses++
	return nil
}

func (h *handle) release() {
	h.mutex.Lock()
	h.uses--
	last := !h.open && h.uses == 0
	h.mutex.Unlock()
	if last {
		h.free()
	}
}

func (h *handle) close() {
	h.mutex.Lock()
	last := h.open && h.uses == 0
	h.open = false
	h.mutex.Unlock()
	if last {
		h.free()
	}
}

// use runs a call of the library on an object that is open.
func (h *handle) use(call func()) error {
	if err := h.acquire(); err != nil {
		return err
	}
	defer h.release()
	return try(call)
}

// keep closes an object at the latest when it is collected.
func keep[Object interface{ close() }](object Object) Object {
	runtime.SetFinalizer(object, func(forgotten Object) { forgotten.close() })
	return object
}
