#!/bin/sh
# The story of the command-line tool on a real model: import, info, calibrate, generate, score,
# evaluate, and everything that goes wrong on the way. Output like TAP; exit 1 when a step fails.
#
#   cli_test.sh SIPO TESTS    the tool, and the tests/ directory

set -u
sipo=$1
tests=$2
checkpoint=$tests/models/passkey-mamba1
calibration_text=$tests/data/novels-calibration.txt
heldout_text=$tests/data/novels-heldout.txt
golden=$tests/golden

work=$(mktemp -d "${TMPDIR:-/tmp}/sipo-cli.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/out"
model=$work/out/model.sipo
count=0
failures=0

# result NAME STATUS: one line; what the last command said follows a failure.
result() {
    count=$((count + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/stdout" "$work/stderr" | head -n 40
        failures=$((failures + 1))
    fi
}

# run CODE NAME ARGUMENT...: the tool ends with that exit code.
run() {
    code=$1
    name=$2
    shift 2
    "$sipo" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null
    got=$?
    [ "$got" -eq "$code" ] || echo "# exit code $got, not $code: sipo $*"
    [ "$got" -eq "$code" ]
    result "$name" $?
}

# says NAME PATTERN, complains NAME PATTERN: standard output or error of the last run has that line.
says() {
    grep -q -e "$2" "$work/stdout"
    result "$1" $?
}
complains() {
    grep -q -e "$2" "$work/stderr"
    result "$1" $?
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# is_json NAME: standard output of the last run is one JSON value.
is_json() {
    if python3 -c pass 2>/dev/null; then
        python3 -c 'import json, sys; json.load(open(sys.argv[1], encoding="utf-8"))' \
            "$work/stdout" 2>>"$work/stderr"
        result "$1" $?
    else
        skip "$1" "no python3"
    fi
}

# reals FILE: one number of a raw f32 file a line.
reals() {
    od -An -v -tf4 "$1" | tr -s ' ' '\n' | grep .
}

# close_to NAME FILE GOLDEN TOLERANCE: raw f32 files agree, relative to 1 + the golden number.
close_to() {
    reals "$2" >"$work/left"
    reals "$3" >"$work/right"
    paste "$work/left" "$work/right" | awk -v tolerance="$4" '
        NF != 2 { print "lengths differ"; bad = 1; exit }
        { scale = $2 < 0 ? 1 - $2 : 1 + $2; gap = ($1 - $2) / scale
          if (gap < 0) gap = -gap; if (!(gap <= most)) most = gap }
        END { print NR " numbers, largest difference " most
              exit bad || NR == 0 || !(most <= tolerance) }
    ' >"$work/stdout"
    result "$1" $?
}

files_in_out() {
    find "$work/out" -type f | sort
}

echo "# Help"
run 0 "the tool explains the way from a checkpoint to text" --help
says "its help names calibrate" "sipo calibrate "
run 0 "the tool tells its version" --version
says "the version is a number" "^sipo [0-9][0-9.]*$"
for command in import export info calibrate generate score "eval passkey" "eval perplexity" "eval retrieval" "eval keyvalue" "eval longbench" analyze ablate tune bench; do
    # shellcheck disable=SC2086  # two words are two arguments
    run 0 "$command has help" $command --help
    says "$command's help has an example" "^Example:"
    awk '/^  --/ || /^$/ { defaults = 0 } { defaults += gsub(/\(default/, "") } defaults > 1 { print; bad = 1 }
        END { exit bad }' "$work/stdout" >"$work/stderr"
    result "$command's help tells a default once" $?
    sed '/^Example:/,$d' "$work/stdout" | awk 'length($0) > 80 { print; bad = 1 } END { exit bad }' >"$work/stderr"
    result "$command's help fits a terminal" $?
done
run 0 "eval has help" eval --help
# The same name for another kind of value is another option.
cat "$tests"/../capi/cli/*.c | tr '\n' ' ' | grep -o 'option_[a-z]*( *"[a-z-]*"\(, *"[^"]*"\)\{0,1\}' |
    tr -d ' ' | sort | uniq -d >"$work/stdout"
[ ! -s "$work/stdout" ]
result "an option is declared once" $?
run 2 "no command is wrong usage"
run 2 "an unknown command is wrong usage" imprt
complains "the likely command is named" "did you mean 'import'"

echo "# Import"
run 0 "a checkpoint is imported" import "$checkpoint" "$model"
run 0 "it is imported raw in f32" import "$checkpoint" "$work/out/f32.sipo" --weights f32 \
    --store=raw --json
is_json "import --json is JSON"
run 0 "it is exported" export "$model" "$work/exported"
run 0 "and imported again" import "$work/exported" "$work/again.sipo"
cmp "$model" "$work/again.sipo" >"$work/stdout" 2>&1
result "which gives the same bytes" $?
run 1 "an export into a directory that holds something is an error" export "$model" "$work/exported"
complains "the error says so" "is not empty"
run 0 "a layout of the original code is imported with a tokenizer of the user's" import \
    "$tests/data/checkpoints/mamba2-groups-original" "$work/original.sipo" \
    --tokenizer "$checkpoint/tokenizer.json"
run 1 "without one it is an error" import "$tests/data/checkpoints/mamba2-groups-original" "$work/o.sipo"
complains "which names what is missing" "tokenizer.json"
run 1 "a missing checkpoint is an error" import "$work/none" "$work/out/none.sipo"
complains "the error begins with the command" "^sipo import: ."
run 2 "an unknown option is wrong usage" import a b --weight f32
complains "the likely option is named" "did you mean --weights?"
run 2 "an unknown word is wrong usage" import a b --weights f8
run 2 "a number out of range is wrong usage" import a b --threads 257
run 2 "a number with a tail is wrong usage" import a b --threads 2x
run 2 "a number of more than 63 bits is wrong usage" eval passkey "$model" --noise a --seed 9223372036854775808
complains "the error says what is the largest" "from 0 to 9223372036854775807"
run 2 "a negative one is wrong usage" eval passkey "$model" --noise a --seed -1
complains "the error says what is the least" "at least 0"
run 2 "a missing argument is wrong usage" import a
run 2 "a missing value is wrong usage" import a b --threads

echo "# Info"
run 0 "info shows the model" info "$model"
says "info names the family" "^family  *mamba1$"
says "info counts the layers" "^layers  *8$"
run 0 "info --json shows it too" info "$model" --json
is_json "info --json is JSON"
run 1 "a missing model is an error" info "$work/none.sipo"
dd if="$model" of="$work/cut.sipo" bs=1000 count=100 2>/dev/null
run 1 "a cut model is an error" info "$work/cut.sipo"
run 1 "a text is no model" info "$heldout_text"

echo "# Calibrate"
run 1 "longmamba without a calibration is an error" generate "$model" --prompt Hello \
    --context longmamba
run 0 "a text calibrates the model" calibrate "$model" --text "$calibration_text" --sequences 2
run 0 "info sees the profile" info "$model" --json
says "the profile has its name" '"default"'
run 0 "golden ids calibrate the f32 model" calibrate "$work/out/f32.sipo" --length 2048 \
    --ids "$golden/calibration_ids.bin" --profile golden --dump-log-decay "$work/log_decay" \
    --dump-table "$work/table" --json
is_json "calibrate --json is JSON"
close_to "the log decays are the golden ones" "$work/log_decay" \
    "$golden/mamba1_calibration_log_decay.bin" 1e-3
run 2 "a bad profile name is wrong usage" calibrate "$model" --text "$calibration_text" \
    --profile 'a b'
run 2 "ids without a length are wrong usage" calibrate "$model" --ids "$golden/calibration_ids.bin"
run 1 "too little text is an error" calibrate "$model" --text "$checkpoint/config.json"

before=$(cksum <"$model")
files_before=$(files_in_out)
"$sipo" calibrate "$model" --text "$calibration_text" --sequences 300 --threads 1 \
    --profile interrupted >"$work/stdout" 2>"$work/stderr" &
process=$!
sleep 1
kill -INT "$process"
wait "$process"
[ $? -eq 130 ]
result "Ctrl-C ends a calibration with 130" $?
[ "$before" = "$(cksum <"$model")" ]
result "Ctrl-C leaves the model as it was" $?
[ "$files_before" = "$(files_in_out)" ]
result "Ctrl-C leaves no other file" $?

echo "# Generate"
run 0 "a prompt is continued" generate "$model" --prompt "It was a dark and" --max-tokens 12
cp "$work/stdout" "$work/first"
complains "the statistics are on standard error" "5 prompt tokens\|prompt tokens, .* tok/s"
run 0 "one thread continues it too" generate "$model" --prompt "It was a dark and" \
    --max-tokens 12 --threads 1 --quiet
cmp -s "$work/stdout" "$work/first"
result "the threads do not change the text" $?
[ ! -s "$work/stderr" ]
result "--quiet is quiet" $?
run 0 "a seed is taken" generate "$model" --prompt "She said" --max-tokens 12 --temperature 0.9 \
    --top-k 40 --top-p 0.95 --seed 7 --repetition-penalty 1.1 --json
is_json "generate --json is JSON"
run 0 "longmamba and a prompt file are taken" generate "$model" --max-tokens 4 \
    --prompt-file "$checkpoint/config.json" --context longmamba --global-threshold 1e-5
printf 'Standard input' | "$sipo" generate "$model" - --max-tokens 2 >"$work/stdout" \
    2>"$work/stderr"
result "standard input is taken" $?
run 0 "a state is saved" generate "$model" --prompt "It was a dark and" --max-tokens 6 \
    --save-state "$work/out/state"
first=$(cat "$work/stdout")
run 0 "a state is loaded" generate "$model" --max-tokens 6 --load-state "$work/out/state"
second=$(cat "$work/stdout")
run 0 "the whole is generated at once" generate "$model" --prompt "It was a dark and" --max-tokens 12
[ "$first$second" = "$(cat "$work/stdout")" ]
result "a loaded state goes on as if nothing had been" $?
run 1 "a state of another method is an error" generate "$model" --max-tokens 6 \
    --load-state "$work/out/state" --context decimamba
complains "which method is said" "decimamba"
run 0 "a stop sequence is taken" generate "$model" --prompt "It was a dark and" --max-tokens 12 \
    --stop "$(printf '%s' "$first" | head -n 1 | cut -c3-5)" --json
says "why it ended is told" '"stopped_by": *"stop_sequence"'

run 1 "a profile that is not there is an error" generate "$model" --prompt a --context longmamba \
    --profile none
run 1 "a layer that is not there is an error" generate "$model" --prompt a --context decimamba \
    --layers 4,8
run 1 "an empty prompt is an error" generate "$model" --prompt ''
run 2 "no prompt is wrong usage" generate "$model"
run 2 "two prompts are wrong usage" generate "$model" --prompt a --prompt-file b

echo "# Score"
ids=$golden/mamba1_short_ids.bin
run 0 "golden ids are scored" score "$work/out/f32.sipo" --ids "$ids" --nll "$work/nll" \
    --last 8 --logits "$work/logits" --kept "$work/kept"
close_to "their likelihoods are the golden ones" "$work/nll" "$golden/mamba1_short_nll.bin" 1e-3
close_to "their logits are the golden ones" "$work/logits" \
    "$golden/mamba1_short_last8_logits.bin" 1e-3
[ "$(wc -c <"$work/kept")" -eq 2048 ]
result "all tokens are kept" $?
run 0 "decimamba drops tokens" score "$work/out/f32.sipo" --ids "$golden/mamba1_long_ids.bin" \
    --context decimamba --layers 3,5 --decimation-rate 0.5 --decimation-capacity 2000 \
    --kept "$work/kept"
cmp -s "$work/kept" "$golden/mamba1_long_kept.bin"
result "it keeps the golden ones" $?
run 0 "the tail of decimamba is scored" score "$model" --ids "$ids" --context decimamba \
    --protected-tail 101 --decimation-capacity 200 --json
is_json "score --json is JSON"
says "as many as the tail allows" '"scored": 100'
run 1 "decimamba without a tail is an error" score "$model" --ids "$ids" --context decimamba
run 2 "ids and text are wrong usage" score "$model" --ids "$ids" --text "$heldout_text"
run 1 "bytes that are no ids are an error" score "$model" --ids "$checkpoint/config.json"

echo "# Evaluate"
run 0 "the passkey evaluation runs" eval passkey "$model" --noise "$heldout_text" \
    --lengths 1024,2048 --depths .5,1 --samples 1 --methods none,longmamba --by-depth
says "the model finds the key at its training length" "^2048  *1.00 "
run 0 "the passkey evaluation prints JSON" eval passkey "$model" --noise "$heldout_text" \
    --lengths 512 --depths 1 --samples 1 --json
is_json "eval passkey --json is JSON"
says "an accuracy has its interval" '"high": [01]'
run 1 "a length that is too short is an error" eval passkey "$model" --noise "$heldout_text" \
    --lengths 10
run 2 "an unknown method is wrong usage" eval passkey "$model" --noise "$heldout_text" \
    --methods none,long
run 0 "the paper's protocol is taken" eval passkey "$model" --noise "$heldout_text" \
    --lengths 256 --depths 1 --samples 1 --protocol paper
run 0 "results are kept and drawn" eval passkey "$model" --noise "$heldout_text" --lengths 256,512 \
    --depths .5 --samples 1 --state "$work/state" --svg "$work/plot.svg"
cp "$work/stdout" "$work/first"
[ "$(wc -l <"$work/state")" -eq 3 ] && grep -q '</svg>' "$work/plot.svg"
result "there is a result for every case" $?
grep -v '^[0-9a-f]* 1 ' "$work/state" >"$work/shorter" && sed '2,$s/ [0-9.]*$/ 1.000000/' "$work/shorter" >"$work/state"
run 0 "an evaluation goes on where it stopped" eval passkey "$model" --noise "$heldout_text" \
    --lengths 256,512 --depths .5 --samples 1 --state "$work/state"
says "what was done is not done again" "^256 .* 256  *1$"
[ "$(wc -l <"$work/state")" -eq 3 ]
result "what was not done is" $?
run 0 "a method more goes on from it too" eval passkey "$model" --noise "$heldout_text" \
    --lengths 256,512 --depths .5 --samples 1 --state "$work/state" --methods none,longmamba
says "what was done stands beside what is new" "^256 .* 256  .*  1$"
[ "$(wc -l <"$work/state")" -eq 5 ]
result "only the new method's results were added" $?
cp "$work/state" "$work/sound"
run 1 "the state of another evaluation is an error" eval passkey "$model" --noise "$heldout_text" \
    --lengths 256,512 --depths .5 --samples 1 --seed 1 --state "$work/state"
cp "$model" "$work/measured.sipo"
run 0 "a copy of the model has the same results" eval passkey "$work/measured.sipo" --noise "$heldout_text" \
    --lengths 256,512 --depths .5 --samples 1 --state "$work/state" --methods none,longmamba
cmp -s "$work/state" "$work/sound"
result "nothing is measured anew" $?
run 0 "its calibration is made anew" calibrate "$work/measured.sipo" --text "$calibration_text" --sequences 1
run 1 "then its results are others" eval passkey "$work/measured.sipo" --noise "$heldout_text" \
    --lengths 256,512 --depths .5 --samples 1 --state "$work/state" --methods none,longmamba
complains "as the error says" "the state of another evaluation"
for line in '0 9 1 1 1' '0 0 nan 1 1' 'x' '0 0 1 1'; do
    (cat "$work/sound" && echo "$line") >"$work/state"
    run 1 "a damaged state is an error: $line" eval passkey "$model" --noise "$heldout_text" \
        --lengths 256,512 --depths .5 --samples 1 --state "$work/state" --methods none,longmamba
done
run 0 "the perplexity evaluation runs" eval perplexity "$model" --text "$heldout_text" \
    --lengths 512,1024 --windows 2 --methods none,decimamba
run 0 "the perplexity evaluation prints JSON" eval perplexity "$model" --text "$heldout_text" \
    --lengths 256 --windows 1 --json
is_json "eval perplexity --json is JSON"
run 2 "a window that is not longer than what is scored is wrong usage" eval perplexity "$model" \
    --text "$heldout_text" --lengths 100
run 0 "keys and values are asked" eval keyvalue "$model" --pairs 4 --depths 0,1 --samples 1 --by-depth
run 2 "no pairs are wrong usage" eval keyvalue "$model" --pairs 0
printf '%s\n' '{"context": "It was", "input": "a dark", "answers": ["night"], "dataset": "one"}' \
    '{"context": "She \u00e9", "input": "said", "answers": ["no", "yes"], "dataset": "two"}' >"$work/cases"
run 0 "prompts with references are asked" eval longbench "$model" --cases "$work/cases" \
    --template '{context} {input}' --max-tokens 4 --metric rouge-l
says "by dataset" "^two "
echo '{"context": "x"}' >"$work/cases"
run 1 "a case without references is an error" eval longbench "$model" --cases "$work/cases"
complains "which line is said" "line 1 of"
echo '{"context": ' >"$work/cases"
run 1 "a case that is no JSON is an error" eval longbench "$model" --cases "$work/cases"
run 0 "documents are retrieved" eval retrieval "$model" --squad "$tests/data/squad-sample.json" \
    --documents 2,3 --samples 2
says "by their number" "^3 .* 2$"
run 1 "a file that is no SQuAD is an error" eval retrieval "$model" --squad "$checkpoint/config.json"
run 0 "the speed is measured" bench "$model" --prompt 64 --generate 4 --repeats 2
run 0 "the speed is measured at several lengths" bench "$model" --prompt 32,64 --generate 2 \
    --repeats 1 --backend cpu
says "each length has its line" "^prefill  *64 "
run 2 "a length that is no number is wrong usage" bench "$model" --prompt 32,x
run 1 "an unknown backend is an error" bench "$model" --backend abacus
complains "the backends there are are named" "there are: auto, "
run 0 "the speed is measured as JSON" bench "$model" --prompt 64 --generate 4 --repeats 1 --json
is_json "bench --json is JSON"

echo "# Analyze"
run 0 "channels are analysed" analyze "$model" --text "$heldout_text" --length 256 --points 8 \
    --map-size 8 --methods none,decimamba --decimation-capacity 100
says "each layer has its line" "^7  *[0-9]*/512  *256 "
says "decimamba drops tokens from its layer on" " 101 "
run 0 "an analysis is written in every form" analyze "$model" --text "$heldout_text" --length 128 \
    --points 8 --map-size 8 --csv "$work/csv" --html "$work/report.html" --json
is_json "analyze --json is JSON"
says "its layout has a version" '"version": 1'
[ "$(wc -l <"$work/csv/channels.csv")" -eq 4097 ] && [ "$(wc -l <"$work/csv/decay.csv")" -eq 32769 ] &&
    [ "$(wc -l <"$work/csv/maps.csv")" -eq 289 ] && [ "$(wc -l <"$work/csv/kept.csv")" -eq 129 ]
result "the tables have a row for everything" $?
grep -q '</html>' "$work/report.html" && [ "$(grep -c '<svg' "$work/report.html")" -ge 6 ]
result "the report has its pictures" $?
if grep -qE '(href|src)="[^d#]|@import|<script' "$work/report.html"; then false; fi
result "the report fetches and runs nothing" $?
run 1 "more tokens than the text has are an error" analyze "$model" --text \
    "$checkpoint/config.json"
run 1 "an analysis keeps its memory limit" analyze "$model" --text "$heldout_text" --memory 1
complains "the limit is said" "the limit is 1048576"
run 2 "an analysis without a text is wrong usage" analyze "$model"
run 1 "a folder for tables that cannot be made is an error" analyze "$model" --text \
    "$heldout_text" --length 16 --csv "$work/none/csv"

echo "# Ablate"
before=$(cksum <"$model")
run 0 "ablations run" ablate "$model" --noise "$heldout_text" --calibrate-with "$calibration_text" \
    --lengths 256 --depths 1 --samples 1 --sequences 1 --what channels,layers --top-layers 2 \
    --random-seeds 1 --svg "$work/ablations.svg"
says "channels are chosen" "^local channels "
says "the most lasting layers are chosen" "^layers [0-7],[0-7] "
grep -q '>random channels, seed 0</text>' "$work/ablations.svg"
result "each has its row in the picture" $?
[ "$before" = "$(cksum <"$model")" ]
result "ablations leave the model alone" $?
run 2 "an unknown ablation is wrong usage" ablate "$model" --noise a --calibrate-with b --what x
run 1 "more layers than there are is an error" ablate "$model" --noise "$heldout_text" \
    --calibrate-with "$calibration_text" --lengths 256 --depths 1 --samples 1 --sequences 1 \
    --what layers --top-layers 9

echo "# Tune"
cp "$model" "$work/out/tuned.sipo"
before=$(cksum <"$work/out/tuned.sipo")
head -c 60000 "$heldout_text" >"$work/short.txt"
run 0 "a model is tuned" tune "$work/out/tuned.sipo" --text "$work/short.txt" --lengths 2560 \
    --depths .5 --samples 1 --windows 1 --sequences 1 --budget 5 --json
is_json "tune --json is JSON"
says "decimamba was tried" '"decimamba 2048'
says "the default is tested" '"default": "longmamba 0.01"'
says "all was tried within the budget" '"all_tried": 1'
if grep -q '"profile": "tuned"' "$work/stdout"; then
    run 0 "the winner is used" generate "$work/out/tuned.sipo" --prompt "It was" --max-tokens 2 \
        --context profile --profile tuned
else
    [ "$before" = "$(cksum <"$work/out/tuned.sipo")" ]
    result "a default that is not beaten leaves the model alone" $?
fi
before=$(cksum <"$work/out/tuned.sipo")
run 1 "a budget that is too small is an error" tune "$work/out/tuned.sipo" --text \
    "$work/short.txt" --lengths 2560 --depths .5 --samples 9 --windows 1 --sequences 1 --budget .01
complains "the budget is named" "budget of 0.01 minutes"
run 1 "a text that is too short to be halved is an error" tune "$work/out/tuned.sipo" --text \
    "$work/short.txt" --lengths 16384
[ "$before" = "$(cksum <"$work/out/tuned.sipo")" ]
result "what fails leaves the model alone" $?
# The references are what longmamba answers with another threshold, so that this is what tuning finds.
cp "$model" "$work/out/task.sipo"
run 0 "a model is calibrated on one sequence" calibrate "$work/out/task.sipo" \
    --text "$calibration_text" --sequences 1
tail -c 37000 "$heldout_text" | tr '\n\r\t"\\' '     ' | tr -d '\200-\377' >"$work/plain.txt"
: >"$work/task.jsonl"
for i in 1 2; do
    tail -c +$((i * 12000)) "$work/plain.txt" | head -c 12000 >"$work/prompt"
    run 0 "reference $i is written" generate "$work/out/task.sipo" --prompt-file "$work/prompt" \
        --max-tokens 24 --context longmamba --global-threshold 1e-30 --json
    printf '{"prompt": "%s", "answers": [%s]}\n' "$(cat "$work/prompt")" \
        "$(sed -n 's/^ *"text": \(".*"\),*$/\1/p' "$work/stdout")" >>"$work/task.jsonl"
done
tune_task() {
    run 0 "$1" tune "$work/out/task.sipo" --task "$work/task.jsonl" --metric exact \
        --max-tokens 24 --calibrate-with "$calibration_text" --sequences 1 --budget 30 \
        --profile found --state "$work/tune.state" --json
    says "what wrote the references wins" '"winner": "longmamba 1e-30"'
    says "it is saved" '"profile": "found"'
}
rm -f "$work/tune.state"
tune_task "a model is tuned on a task"
before_task=$(cksum <"$work/tune.state")
tune_task "tuning goes on from its state"
[ "$before_task" = "$(cksum <"$work/tune.state")" ]
result "nothing is done twice" $?
run 0 "the profile is used" eval longbench "$work/out/task.sipo" --cases "$work/task.jsonl" \
    --metric exact --max-tokens 24 --methods profile,longmamba --profile found
says "with it all answers are right, and with the threshold of the default not" \
    "^all  *1.000  *1.000-1.000  *[0-9]*  *0"
head -n 1 "$work/task.jsonl" >"$work/one.jsonl"
run 1 "a single case cannot be halved" tune "$work/out/task.sipo" --task "$work/one.jsonl"
cat "$work/one.jsonl" "$work/one.jsonl" >"$work/two.jsonl"
run 1 "nor can one prompt, however often it is asked" tune "$work/out/task.sipo" --task "$work/two.jsonl"
complains "that is said" "has one prompt"
run 2 "a bad name is noticed before the work" tune "$work/out/task.sipo" --task "$work/task.jsonl" \
    --profile 'a b'
run 2 "tuning needs a text or a task" tune "$work/out/task.sipo"
run 1 "a profile without settings is no way to read" generate "$model" --prompt a --context profile
complains "that is said" "no settings"

echo "# Output that cannot be written"
files_before=$(files_in_out)
run 1 "a folder that is not there is an error" import "$checkpoint" "$work/out/none/model.sipo"
run 1 "scores in a folder that is not there are an error" score "$model" --ids "$ids" \
    --nll "$work/out/none/nll"
(
    trap '' XFSZ
    ulimit -f 1
    exec "$sipo" import "$checkpoint" "$work/out/large.sipo" --store raw
) >/dev/null 2>&1
[ $? -eq 1 ]
result "a file that grows too large is an error" $?
(
    trap '' XFSZ
    ulimit -f 1
    exec "$sipo" score "$model" --ids "$ids" --logits "$work/out/large.f32" --last 8
) >/dev/null 2>&1
[ $? -eq 1 ]
result "logits that grow too large are an error" $?
[ "$files_before" = "$(files_in_out)" ]
result "no partial file is left" $?
if [ -c /dev/full ]; then
    "$sipo" info "$model" >/dev/full 2>"$work/stderr"
    [ $? -eq 1 ]
    result "a full disk behind standard output is an error" $?
else
    skip "a full disk behind standard output is an error" "no /dev/full"
fi

echo "1..$count"
[ "$failures" -eq 0 ] || echo "# $failures of $count failed"
[ "$failures" -eq 0 ]
