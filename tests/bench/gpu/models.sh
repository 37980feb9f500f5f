#!/bin/sh
# Whole models of random weights on a device: prefill and decoding of the public shapes, the cost of
# the context methods, and the device memory that prompts of several lengths take.
#
#   models.sh SIPO BACKEND FOLDER [MODEL...]    results go to FOLDER as JSON, one file a run
#
# $SIPO_BENCH_PROMPTS (8192,131072) and $SIPO_BENCH_GENERATE (256) make it smaller.

set -u
sipo=$1
backend=$2
folder=$3
shift 3
[ $# -gt 0 ] || set -- mamba-130m mamba-370m mamba-1.4b mamba-2.8b mamba2-2.7b
prompts=${SIPO_BENCH_PROMPTS:-8192,131072}
generate=${SIPO_BENCH_GENERATE:-256}
longest=${prompts##*,}
text=tests/data/novels-calibration.txt
failed=0

# bench NAME ARGUMENT...: one run; its figures go to FOLDER/NAME.json and, a line a prompt, out.
bench() {
    name=$1
    shift
    if ! "$sipo" bench "$@" --backend "$backend" --quiet --json >"$folder/$name.json"; then
        echo "$name failed"
        failed=1
        return 1
    fi
    python3 - "$folder/$name.json" "$name" <<'PYTHON'
import json, sys

run = json.load(open(sys.argv[1]))
for prompt in run["prompts"]:
    print(f'{sys.argv[2]:34} {run["sequences"]:>3} x {prompt["prompt_tokens"]:>8} '
          f'prefill {prompt["prefill_tokens_per_second"]:>11.0f} tok/s   '
          f'decode {prompt["decode_tokens_per_second"]:>9.1f} tok/s')
PYTHON
}

# memory NAME ARGUMENT...: the most device memory in use while the tool runs, in MiB.
memory() {
    name=$1
    shift
    "$sipo" bench "$@" --backend "$backend" --quiet --json >"$folder/$name.json" &
    process=$!
    most=0
    while kill -0 "$process" 2>/dev/null; do
        used=$(nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | head -n 1)
        [ "${used:-0}" -gt "$most" ] && most=$used
        sleep 0.1
    done
    wait "$process" || { echo "$name failed"; failed=1; return 1; }
    printf '%-34s %s MiB of device memory at most\n' "$name" "$most"
}

for model in "$@"; do
    file=$folder/$model.sipo
    bench "$model" --preset "$model" --weights bf16 --save "$file" --prompt "$prompts" \
        --generate "$generate" || continue
    bench "$model-batch64" "$file" --prompt 32 --generate "$generate" --batch 64
    case $model in
        mamba-2.8b | mamba2-2.7b)
            layer=21 # one at a third of the depth
            "$sipo" calibrate "$file" --text "$text" --sequences 2 --length 1024 --backend "$backend" \
                --quiet || failed=1
            bench "$model-longmamba" "$file" --prompt "$longest" --generate 1 \
                --context longmamba
            bench "$model-decimamba" "$file" --prompt "$longest" --generate 1 \
                --context decimamba --layers "$layer" --decimation-capacity 4000
            ;;
    esac
    if [ "$model" = mamba-130m ] && command -v nvidia-smi >/dev/null 2>&1; then
        for tokens in 8192 131072 1048576; do
            memory "$model-memory-$tokens" "$file" --prompt "$tokens" --generate 1 --repeats 1
        done
    fi
    rm -f "$file"
done
exit "$failed"
