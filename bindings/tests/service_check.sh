#!/usr/bin/env bash
# 64 questions at once to an example service, each about a document of its own with a number in it; another
# question about one of them, which is not read again; then a client that goes away.
#   service_check.sh TEXT PORT SERVICE...
# SERVICE is the command that serves at PORT of the loopback interface.
set -euo pipefail
text=$1
port=$2
shift 2
url=http://127.0.0.1:$port
work=$(mktemp -d)
"$@" >"$work/service.log" 2>&1 &
service=$!
trap 'kill $service 2>/dev/null || true; wait $service 2>/dev/null || true; rm -rf "$work"' EXIT

fail() {
    echo "$*" >&2
    cat "$work/service.log" >&2
    exit 1
}

for _ in $(seq 300); do
    curl -sf "$url/status" >/dev/null && break
    kill -0 $service 2>/dev/null || fail "the service did not start"
    sleep 0.1
done

# bytes OFFSET COUNT
bytes() { dd if="$text" iflag=skip_bytes,count_bytes skip="$1" count="$2" status=none; }

number() { echo $((10000 + $1 * 1371)); }

document() {
    local key
    key=$(number "$1")
    bytes $(($1 * 6000)) 2500
    printf ' The pass key is %s. Remember it. %s is the pass key. ' "$key" "$key"
    bytes $(($1 * 6000 + 3000)) 2500
}

# ask NUMBER [QUESTION]: the answer is what the data lines say, one after the other.
ask() {
    curl -sfN --max-time 300 --data-binary "@$work/document.$1" \
        "$url/answer?question=${2:-What%20is%20the%20pass%20key%3F}%20The%20pass%20key%20is" |
        sed -n 's/^data: //p' | tr -d '\n' >"$work/answer.$1"
}

# round COUNT: that many at once, and every answer is the one to its own question.
round() {
    local i wrong=0 clients=()
    for i in $(seq "$1"); do
        ask "$i" &
        clients+=($!)
    done
    for i in "${clients[@]}"; do wait "$i" || fail "a request failed"; done
    for i in $(seq "$1"); do
        grep -q "$(number "$i")" "$work/answer.$i" || {
            echo "request $i: wanted $(number "$i"), got $(cat "$work/answer.$i")"
            wrong=$((wrong + 1))
        }
    done
    [ $wrong = 0 ] || fail "$wrong of $1 answers are wrong"
}

resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$service/status"; }

for i in $(seq 64); do document "$i" >"$work/document.$i"; done
round 64
before=$(resident)
round 64
grown=$((($(resident) - before) / 1024))
echo "64 concurrent requests: all right, memory grew by $grown MiB"
[ $grown -lt 10 ] || fail "memory grew by $grown MiB"

reused() { curl -sf "$url/status" | sed 's/.*reused //'; }
before=$(reused)
ask 1 'Tell%20me%3A%20what%20is%20the%20pass%20key%3F'
grep -q "$(number 1)" "$work/answer.1" || fail "another question: got $(cat "$work/answer.1")"
tokens=$(($(reused) - before))
echo "another question about a document: $tokens tokens of it were not read again"
[ $tokens -gt 500 ] || fail "only $tokens tokens were reused"

# Long enough to be read for many seconds; the client leaves after a part of one.
head -c 1000000 "$text" >"$work/document.0"
curl -sN --max-time 0.7 --data-binary "@$work/document.0" "$url/answer?question=What" >"$work/left" || true
wanted='running 0 finished 129 cancelled 1'
for _ in $(seq 30); do
    status=$(curl -sf "$url/status")
    [[ $status == "$wanted "* ]] && break
    sleep 0.1
done
[[ $status == "$wanted "* ]] || fail "after the client has gone: $status"
echo "a client that went away: $status"
