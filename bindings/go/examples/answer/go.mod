module answer

go 1.19

require sipo v0.1.0

replace sipo => ../../../../build/release/bindings/go/module
