#!/bin/sh
# What libsipo.so shows to the linker: the symbols of symbols.txt and nothing else, its soname, and the
# libraries it needs. Output like TAP; exit 1 when a check fails.
#
#   symbols_test.sh LIBRARY SYMBOLS [SANITIZERS]
#
# A new function is added to symbols.txt by hand, on purpose: this list is the binary interface.

set -u
export LC_ALL=C
library=$1
symbols=$2
sanitizers=${3-}
work=$(mktemp -d "${TMPDIR:-/tmp}/sipo-symbols.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
count=0
failures=0

# result NAME STATUS: one line; the contents of $work/stdout follow a failure.
result() {
    count=$((count + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/stdout"
        failures=$((failures + 1))
    fi
}

# none NAME: $work/stdout is empty.
none() {
    [ ! -s "$work/stdout" ]
    result "$1" $?
}

nm -D --defined-only "$library" >"$work/nm" && readelf -dW "$library" >"$work/dynamic" &&
    readelf -lW "$library" >"$work/segments" || exit 1

# The version node itself is an absolute symbol.
awk '$2 != "A" { print $3 }' "$work/nm" | sort >"$work/exported"
diff "$symbols" "$work/exported" >"$work/stdout"
result "the exported symbols are those of symbols.txt" $?
grep -v '^sipo_[a-z0-9_]*@@SIPO_0$' "$work/exported" >"$work/stdout"
none "all of them are sipo_*, of version SIPO_0"

grep -E '\((TEXTREL|RPATH|RUNPATH)\)|TEXTREL' "$work/dynamic" >"$work/stdout"
none "there are no text relocations and no rpath"
grep 'SONAME' "$work/dynamic" >"$work/stdout"
grep -q '\[libsipo\.so\.0\]' "$work/stdout"
result "the soname is libsipo.so.0" $?
grep 'GNU_STACK' "$work/segments" | grep 'RWE' >"$work/stdout"
none "the stack is not executable"

allowed='c|m|stdc\+\+|gcc_s|zstd|utf8proc'
[ -z "$sanitizers" ] || allowed="$allowed|asan|ubsan|tsan|lsan|pthread|dl|rt"
grep 'NEEDED' "$work/dynamic" | grep -Ev "\[(lib($allowed)|ld-linux[a-z0-9_-]*)\.so\.[0-9]+\]" \
    >"$work/stdout"
none "it needs no other libraries than it may"

echo "1..$count"
[ "$failures" -eq 0 ]
