package sipo

import (
	"context"
	"runtime"
	"sync"

	"sipo/internal/native"
)

// Calibration is what LongMamba needs to know of a model. It is immutable.
type Calibration struct {
	handle
	native native.Calibration
	model  *Model
	alone  sync.Mutex // for the library, saving with settings is a change
}

// Calibrate measures the model on as many sequences of length tokens of ordinary text as ids holds, 1 to
// 65536 (ten are enough); what is left over is not used. The length, usually the training length, is 2
// to 1048576. nil options are the defaults. Errors: [OutOfRange], [Cancelled].
func (m *Model) Calibrate(ctx context.Context, ids []int32, length int, options *CalibrationOptions) (*Calibration, error) {
	if err := either(ctx.Err(), notNegative("length", length)); err != nil {
		return nil, err
	}
	var measured native.Calibration
	err := options.use(ctx, func(chosen native.CalibrationOptions) error {
		return m.use(func() {
			measured = native.CalibrationMeasure_sequences(m.native, ids, int64(length), chosen)
		})
	})
	if err != nil {
		return nil, ended(ctx, err)
	}
	return keep(&Calibration{
		handle: handle{open: true, free: func() { native.DeleteCalibration(measured) }},
		native: measured,
		model:  m,
	}), nil
}

// Close frees the calibration; sessions keep what they need. The error is always nil.
func (c *Calibration) Close() error {
	runtime.SetFinalizer(c, nil)
	c.close()
	return nil
}

// use runs one call at a time.
func (c *Calibration) use(call func()) error {
	c.alone.Lock()
	defer c.alone.Unlock()
	return c.handle.use(call)
}

// lend is for the options of a session, which hold a use.
func (c *Calibration) lend(to native.SessionOptions) {
	c.alone.Lock()
	defer c.alone.Unlock()
	to.Calibration(c.native)
}

// Save writes the calibration into the .sipo file at path, which must hold a model of the same shape,
// under profile (1 to 64 of a-z A-Z 0-9 . _ -), replacing one of that name. The settings, nil for none, tell
// how it is best used: context method, global-channel threshold, layer scope, decimation rate and capacity
// become part of the profile, and [SessionOptions] take them up with UseProfile. Errors: also [ErrClosed]
// with settings, when the model that was calibrated is closed.
func (c *Calibration) Save(path, profile string, settings *SessionOptions) error {
	if settings == nil {
		return c.save(path, profile, native.SwigcptrSessionOptions(0))
	}
	if err := c.acquire(); err != nil {
		return err
	}
	defer c.release()
	return c.model.with(settings, func(chosen native.SessionOptions) error {
		return c.save(path, profile, chosen)
	})
}

func (c *Calibration) save(path, profile string, settings native.SessionOptions) error {
	return c.use(func() { c.native.Save_with(path, profile, settings) })
}

// LogDecay is [layers, delta channels]: the sum over the tokens of ln of the mean decay.
func (c *Calibration) LogDecay() ([]float32, error) {
	var values []float32
	err := c.use(func() { values = c.native.Log_decay() })
	return values, err
}

// ThresholdTable is [layers, delta channels, lengths]: the threshold of delta.
func (c *Calibration) ThresholdTable() ([]float32, error) {
	var values []float32
	err := c.use(func() { values = c.native.Threshold_table() })
	return values, err
}

// Lengths are those of the threshold table in tokens, ascending.
func (c *Calibration) Lengths() ([]int64, error) {
	var values []int64
	err := c.use(func() { values = c.native.Lengths() })
	return values, err
}
