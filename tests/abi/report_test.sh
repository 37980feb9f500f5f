#!/bin/sh
# The report of an analysis in a real browser: it opens, says nothing on the console and can be seen.
# Output like TAP; exit 1 when a step fails, 77 when there is no Chromium.
#
#   report_test.sh SIPO TESTS [LENGTH]    the tool, the tests/ directory, tokens to analyse

set -u
sipo=$1
tests=$2
length=${3:-512}
limit=2000000 # bytes of a report

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    echo "1..0 # SKIP no Chromium: apt-get install chromium"
    exit 77
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/sipo-report.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
count=0
failures=0

result() {
    count=$((count + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/log" | head -n 40
        failures=$((failures + 1))
    fi
}

# show PAGE PICTURE OPTION...: opens the page; what the console says is in $work/console.
show() {
    page=$1
    picture=$2
    shift 2
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$work/profile" --enable-logging=stderr --v=0 --hide-scrollbars \
        --window-size=1300,3400 --screenshot="$picture" "$@" "file://$page" >"$work/log" 2>&1
    opened=$?
    grep CONSOLE "$work/log" >"$work/console"
    return $opened
}

model=$work/model.sipo
{
    "$sipo" import "$tests/models/passkey-mamba1" "$model" --quiet &&
        "$sipo" calibrate "$model" --text "$tests/data/novels-calibration.txt" --sequences 1 \
            --length 256 --quiet &&
        "$sipo" analyze "$model" --text "$tests/data/novels-heldout.txt" --length "$length" \
            --methods none,decimamba,longmamba --html "$work/report.html" --decimation-capacity 200
} >"$work/log" 2>&1
result "a report of $length tokens is written" $?
[ "$(wc -c <"$work/report.html")" -le $limit ]
result "it has at most $limit bytes ($(wc -c <"$work/report.html"))" $?

# The test must be able to fail.
echo '<script>console.error("heard")</script>' >"$work/bad.html"
show "$work/bad.html" "$work/bad.png" && grep -q heard "$work/console"
result "an error on the console is heard" $?

show "$work/report.html" "$work/light.png"
result "the report opens" $?
[ ! -s "$work/console" ]
result "it says nothing on the console" $?
show "$work/report.html" "$work/dark.png" --force-dark-mode --blink-settings=preferredColorScheme=0
[ $? -eq 0 ] && [ ! -s "$work/console" ]
result "it opens on a dark screen" $?
[ "$(wc -c <"$work/light.png")" -gt 100000 ] && [ "$(wc -c <"$work/dark.png")" -gt 100000 ]
result "there is much to see" $?
if cmp -s "$work/light.png" "$work/dark.png"; then false; fi
result "the dark screen looks different" $?
if [ -n "${SIPO_TEST_PICTURES:-}" ]; then
    cp "$work/report.html" "$work/light.png" "$work/dark.png" "$SIPO_TEST_PICTURES"
fi

echo "1..$count"
[ "$failures" -eq 0 ]
