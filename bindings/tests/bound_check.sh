#!/usr/bin/env bash
# A binding has the whole interface: its native half calls every function of sipo.h, everything that SWIG made of
# sipo.hpp is used by the facade, and every number that asks for a fact is asked.
#   bound_check.sh WRAPPER SYMBOLS INCLUDE INTERFACE GENERATED FACADE...
# WRAPPER is the compiled native half, SYMBOLS the list of the library's symbols, GENERATED the source that SWIG made
# for the language, FACADE the sources that are written by hand.
set -euo pipefail
wrapper=$1 symbols=$2 include=$3 interface=$4 generated=$5
shift 5
missing=0

# missing WHAT: reads names, and complains about each.
missing() {
    while read -r name; do
        echo "$1: $name"
        missing=$((missing + 1))
    done
}

# The languages have names for statuses, and the version as text.
unneeded='^sipo_(status_name|version_number)$'
missing "never called" < <(comm -23 <(sed 's/@.*//' "$symbols" | grep -Ev "$unneeded" | sort) \
    <(nm -D --undefined-only "$wrapper" | sed -n 's/.* \(sipo_[a-z0-9_]*\).*/\1/p' | sort))

# Java and C#: static functions. Go: functions, and methods of addresses; what begins with Swig is its own.
functions() {
    sed -nE -e 's/^ *public static [^=]* ([A-Za-z_]+)\(.*/\1/p' \
        -e 's/^func (\([a-z0-9_]+ Swigcptr[A-Za-z]+\) )?([A-Z][A-Za-z_]+)\(.*/\2/p' "$generated" | grep -v '^Swig'
}
# The head of a function of Go that has the name of what it calls does not count as a use.
words() { sed -E 's/^func (\([^)]*\) )?[A-Za-z_]+//; /^\/\//d' "$@" | grep -oE '[A-Za-z_]+' | sort -u; }
missing "wrapped, but not used" < <(comm -23 <(functions | sort -u) <(words "$@"))

facts() { grep -hoE "SIPO_(MODEL|SESSION|CACHE|SCHEDULER|REQUEST|ANALYSIS)_[A-Z_]+$1" "${@:2}" | sed 's/ .*//' | sort -u; }
missing "never asked" < <(comm -23 <(facts ' = ' "$include/sipo.h") <(facts '' "$include/sipo.hpp" "$interface"))

[ "$(functions | wc -l)" -gt 100 ] || missing "too few functions found in" <<<"$generated"
[ $missing = 0 ]
