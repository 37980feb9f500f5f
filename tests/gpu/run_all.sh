#!/bin/sh
# Everything that tests and measures a device, in one go on a machine that has one.
#
#   run_all.sh BUILT_DIR [PART...] [--backend NAME] [--out DIR] [--mamba-ssm DIR]
#
# BUILT_DIR holds the programs: a build tree, or what pack.sh made of one. Parts, all but --peers if
# none is named:
#   --tests      gpu_*_test: every operation and whole models
#   --sanitize   the same on small shapes under compute-sanitizer: memcheck, racecheck
#   --passkey    passkey accuracy on long prompts, on the device as on the CPU
#   --bench      operations and whole models against the device's limits
#   --peers      other implementations of the same models (needs python3 with torch)
#
# Every step has a time limit; its output goes to DIR (default: a new folder in /tmp) and its result
# into the table at the end. Exit code 1 when a step failed, 2 for wrong usage.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
cd "$root" || exit 1 # the programs name their data from here

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$root/tests/gpu/run_all.sh" >&2
    exit 2
}

built=
parts=
out=
mamba_ssm=
backend=${SIPO_TEST_BACKEND:-cuda}
while [ $# -gt 0 ]; do
    case $1 in
        --tests | --sanitize | --passkey | --bench | --peers) parts="$parts ${1#--}" ;;
        --backend | --out | --mamba-ssm)
            [ $# -ge 2 ] || usage
            case $1 in
                --backend) backend=$2 ;;
                --out) out=$2 ;;
                --mamba-ssm) mamba_ssm=$2 ;;
            esac
            shift
            ;;
        -*) usage ;;
        *) [ -z "$built" ] && built=$1 || usage ;;
    esac
    shift
done
[ -n "$built" ] && [ -d "$built" ] || usage
built=$(cd "$built" && pwd)
[ -n "$parts" ] || parts="tests sanitize passkey bench"
[ -n "$out" ] || out=$(mktemp -d "${TMPDIR:-/tmp}/sipo-gpu.XXXXXX") || exit 1
mkdir -p "$out" || exit 1

find_built() {
    find "$built" -name "$1" -type f | head -n 1
}
plugin=$(find_built libsipo-cuda.so)
library=$(find_built 'libsipo.so.*')
[ -z "$plugin" ] || SIPO_PLUGIN_DIR=$(dirname "$plugin")
export SIPO_PLUGIN_DIR="${SIPO_PLUGIN_DIR:-}"
export SIPO_TEST_BACKEND="$backend"
[ -z "$library" ] || built_libraries=$(dirname "$library")

wants() {
    case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# step NAME SECONDS COMMAND...: runs it, keeps its output and notes the result.
failed=0
results=
step() {
    name=$1
    limit=$2
    shift 2
    echo "== $name"
    start=$(date +%s)
    LD_LIBRARY_PATH="${built_libraries:-}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
        timeout "$limit" "$@" >"$out/$name.log" 2>&1
    code=$?
    seconds=$(($(date +%s) - start))
    case $code in
        0) word=ok ;;
        124) word="out of time" ;;
        *) word="failed ($code)" ;;
    esac
    if [ "$code" -ne 0 ]; then
        failed=$((failed + 1))
        # What failed, or else the end.
        grep -a -E '^\[  FAILED  \]|Failure|ERROR|error:' "$out/$name.log" | head -n 20
        tail -n 15 "$out/$name.log"
    fi
    results="$results$(printf '%-34s %6s s  %s' "$name" "$seconds" "$word")
"
}

# missing NAME: a program that a part needs and the folder lacks.
missing() {
    echo "== $1"
    failed=$((failed + 1))
    results="$results$(printf '%-34s %6s    %s' "$1" - "not found")
"
}

with_program() {
    program=$(find_built "$1")
    [ -n "$program" ] && return 0
    missing "$1"
    return 1
}

test_programs="gpu_operations_test gpu_scans_test gpu_golden_test gpu_session_test"

run_tests() {
    for test in $test_programs; do
        with_program "$test" && step "$test" 240 "$program" --gtest_brief=1
    done
}

# Small shapes only: the sanitizer makes a kernel slower by tens. Races are looked for in our own
# kernels, so products stay out of racecheck.
run_sanitizer() {
    sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
    if [ ! -x "$sanitizer" ]; then
        missing compute-sanitizer
        return
    fi
    small='On/Operations.*:On/Cuts.*:On/SelectTop.*:On/Extremes.*'
    scans='On/Scans.*:On/BothScans.*:On/DeviceScans.ANarrow*'
    check="$sanitizer --error-exitcode 1 --target-processes all"
    if with_program gpu_operations_test; then
        step memcheck_operations 150 $check --tool memcheck "$program" --gtest_brief=1 \
            --gtest_filter="$small"
        step racecheck_operations 150 $check --tool racecheck --racecheck-report all "$program" \
            --gtest_brief=1 --gtest_filter="$small:-*Multipl*:*Product*:*ProjectedDelta*"
    fi
    if with_program gpu_scans_test; then
        step memcheck_scans 150 $check --tool memcheck "$program" --gtest_brief=1 \
            --gtest_filter="$scans"
        step racecheck_scans 150 $check --tool racecheck --racecheck-report all "$program" \
            --gtest_brief=1 --gtest_filter="$scans"
    fi
    if with_program gpu_session_test; then
        step memcheck_sessions 120 $check --tool memcheck "$program" --gtest_brief=1 \
            --gtest_filter='*OtherStreams*:*Reset*'
    fi
}

run_passkey() {
    with_program sipo && step passkey 300 sh tests/gpu/passkey.sh "$program" "$backend" "$out"
}

run_bench() {
    if with_program gpu_bench; then
        step operations_bench 240 "$program" --backend "$backend"
        [ "$code" -ne 0 ] || sed -n '/^|/,$p' "$out/operations_bench.log"
    fi
    if with_program sipo; then
        step models_bench 420 sh tests/bench/gpu/models.sh "$program" "$backend" "$out"
        cat "$out/models_bench.log"
    fi
}

run_peers() {
    step peers 200 python3 tests/bench/gpu/peers.py --json "$out/peers.json" \
        ${mamba_ssm:+--mamba-ssm "$mamba_ssm"}
    cat "$out/peers.log"
}

if wants tests; then run_tests; fi
if wants sanitize; then run_sanitizer; fi
if wants passkey; then run_passkey; fi
if wants bench; then run_bench; fi
if wants peers; then run_peers; fi

printf '\n%s\n' "$results"
echo "output in $out"
[ "$failed" -eq 0 ]
