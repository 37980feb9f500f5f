#!/bin/bash
# check.sh BIN [options of the run]: round robin, random and skew with three seeds each; only what fails is shown.
bin=$1; shift
bad=0
one() {
    local out; out=$(nice "$bin" "${@}" 2>&1); local rc=$?
    if [ $rc = 0 ]; then echo "ok    $*"; else echo "FAILS $*"; grep -m6 "^FAIL\|error (\|  \*\|      at" <<<"$out"; bad=1; fi
}
one --mode rr "$@"
for seed in 1 2 3; do one --mode random --seed $seed "$@"; done
for seed in 1 2 3; do one --mode skew --seed $seed "$@"; done
exit $bad
