#!/bin/sh
# Passkey accuracy of the two reference checkpoints on prompts of 16K to 128K tokens, on a device and
# on the CPU: the same prompts, and the accuracies within two points of each other.
#
#   passkey.sh SIPO BACKEND FOLDER    from the root of the checkout; results go to FOLDER
#
# The CPU takes nearly all of the time: its results that lie in FOLDER from an earlier run are taken
# as they are. $SIPO_PASSKEY_LENGTHS and $SIPO_PASSKEY_SAMPLES make it larger or smaller.

set -u
sipo=$1
backend=$2
folder=$3
lengths=${SIPO_PASSKEY_LENGTHS:-16384,65536,131072}
samples=${SIPO_PASSKEY_SAMPLES:-1}
noise=tests/data/novels-heldout.txt

for family in mamba1 mamba2; do
    model=$folder/$family.sipo
    "$sipo" import "tests/models/passkey-$family" "$model" --quiet || exit 1
    "$sipo" calibrate "$model" --text tests/data/novels-calibration.txt --backend cpu --quiet || exit 1
    for where in cpu "$backend"; do
        [ "$where" = cpu ] && [ -s "$folder/passkey-$family-cpu.json" ] && continue
        "$sipo" eval passkey "$model" --noise "$noise" --lengths "$lengths" --samples "$samples" \
            --methods none,longmamba --backend "$where" --json --quiet \
            >"$folder/unfinished.json" || exit 1
        mv "$folder/unfinished.json" "$folder/passkey-$family-$where.json"
    done
    python3 - "$folder/passkey-$family-cpu.json" "$folder/passkey-$family-$backend.json" <<'PYTHON' || exit 1
import json, sys

cpu, device = (json.load(open(name))["results"] for name in sys.argv[1:3])
worst = 0.0
for left, right in zip(cpu, device, strict=True):
    assert (left["length"], left["method"]) == (right["length"], right["method"])
    worst = max(worst, abs(left["accuracy"] - right["accuracy"]))
    print(f'{left["length"]:>7} {left["method"]:10} cpu {left["accuracy"]:.3f} '
          f'({left["tokens_per_second"]:.0f} tok/s)  device {right["accuracy"]:.3f} '
          f'({right["tokens_per_second"]:.0f} tok/s)')
sys.exit(f"accuracies differ by {worst:.3f}" if worst > 0.02 else 0)
PYTHON
done
