package sipo

import (
	"runtime"

	"sipo/internal/native"
)

// Cache keeps states after prefixes of prompts that were read before, so that a prompt which starts with one reads its
// tail only. It never changes an answer: what cannot be reused exactly is read again and counted. Any number of
// goroutines may use it.
type Cache struct {
	handle
	native native.Cache
}

// NewCache makes a cache of prefixes. nil options are the defaults. Errors: [IOError] when its directory cannot be
// made.
func (m *Model) NewCache(options *CacheOptions) (*Cache, error) {
	var created native.Cache
	err := options.use(func(chosen native.CacheOptions) error {
		return m.use(func() { created = native.NewCache(m.native, chosen) })
	})
	if err != nil {
		return nil, err
	}
	return keep(&Cache{
		handle: handle{open: true, free: func() { native.DeleteCache(created) }},
		native: created,
	}), nil
}

// Close frees the cache; schedulers keep what they need, and its directory stays. The error is always nil.
func (c *Cache) Close() error {
	runtime.SetFinalizer(c, nil)
	c.close()
	return nil
}

// Statistics are facts about the cache since it was made.
func (c *Cache) Statistics() (CacheStatistics, error) {
	var values []float64
	err := c.use(func() { values = c.native.Statistics() })
	return cacheStatistics(values), err
}

// Clear removes all entries of the model, those in the directory too.
func (c *Cache) Clear() error {
	return c.use(func() { c.native.Clear() })
}

// Workers are threads and working memory that sessions share, so that a session is a few megabytes and starts no
// thread. Sessions that share workers may be used by different goroutines at once: they take turns, chunk by chunk
// and token by token.
type Workers struct {
	handle
	native native.Workers
}

// NewWorkers starts 1 to 256 threads; 0 takes as many as the process may use.
func (m *Model) NewWorkers(threads int) (*Workers, error) {
	var created native.Workers
	if err := m.use(func() { created = native.NewWorkers(m.native, threads) }); err != nil {
		return nil, err
	}
	return keep(&Workers{
		handle: handle{open: true, free: func() { native.DeleteWorkers(created) }},
		native: created,
	}), nil
}

// Close frees them; sessions keep what they need. The error is always nil.
func (w *Workers) Close() error {
	runtime.SetFinalizer(w, nil)
	w.close()
	return nil
}
