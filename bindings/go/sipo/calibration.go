package sipo

import (
	"runtime"

	"sipo/internal/native"
)

// Calibration is what LongMamba needs to know of a model. It is immutable.
type Calibration struct {
	handle
	native native.Calibration
}

// Calibrate measures the model on as many sequences of length tokens of ordinary text as ids holds, 1 to
// 65536 (ten are enough); what is left over is not used. The length, usually the training length, is 2
// to 1048576. Errors: [OutOfRange], [Cancelled].
func (m *Model) Calibrate(ids []int32, length int, options *CalibrationOptions) (*Calibration, error) {
	if err := notNegative("length", length); err != nil {
		return nil, err
	}
	if options == nil {
		options = &CalibrationOptions{}
	}
	var chosen native.CalibrationOptions
	if err := try(func() { chosen = native.NewCalibrationOptions() }); err != nil {
		return nil, err
	}
	defer native.DeleteCalibrationOptions(chosen)
	if err := try(func() { options.apply(chosen) }); err != nil {
		return nil, err
	}
	calibration := &Calibration{}
	err := m.use(func() {
		calibration.native = native.CalibrationMeasure_sequences(m.native, ids, int64(length), chosen)
	})
	if err != nil {
		return nil, err
	}
	measured := calibration.native
	calibration.handle = handle{open: true, free: func() { native.DeleteCalibration(measured) }}
	runtime.SetFinalizer(calibration, (*Calibration).finalize)
	return calibration, nil
}

// Close frees the calibration; sessions keep what they need. The error is always nil.
func (c *Calibration) Close() error {
	runtime.SetFinalizer(c, nil)
	c.close()
	return nil
}

func (c *Calibration) finalize() { c.close() }

// Save writes the calibration into the .sipo file at path, which must hold a model of the same shape,
// under profile (1 to 64 of a-z A-Z 0-9 . _ -), replacing one of that name.
func (c *Calibration) Save(path, profile string) error {
	return c.use(func() { c.native.Save(path, profile) })
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
