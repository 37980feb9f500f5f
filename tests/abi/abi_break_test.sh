#!/bin/sh
# The check of the binary interface can fail: it refuses a changed signature, a removed function, a changed
# number and a function that the library does not export, and passes what is only added. Output like TAP.
#
#   abi_break_test.sh CHECK INCLUDE_FOLDER LIBRARY
set -u
check=$1
include=$2
library=$3
work=$(mktemp -d "${TMPDIR:-/tmp}/sipo-abi-break.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
count=0
failures=0

# expect STATUS TEXT NAME: runs the check on $work/include; TEXT must be in what it says.
expect() {
    count=$((count + 1))
    "$check" "$work/include" "$library" >"$work/stdout" 2>&1
    status=$?
    [ "$status" -eq 77 ] && cat "$work/stdout" && exit 77
    if [ "$status" -eq "$1" ] && grep -q "$2" "$work/stdout"; then
        echo "ok $count - $3"
    else
        echo "not ok $count - $3 (exit $status)"
        sed 's/^/# /' "$work/stdout"
        failures=$((failures + 1))
    fi
}

# change SED: the header, changed; something must have changed.
change() {
    mkdir -p "$work/include/sipo"
    sed "$1" "$include/sipo/sipo.h" >"$work/include/sipo/sipo.h"
    ! cmp -s "$include/sipo/sipo.h" "$work/include/sipo/sipo.h" || [ "$1" = "" ] || exit 1
}

change ''
expect 0 'interface holds' "the header as it is"
change 's/sipo_session_decode(sipo_session\* session, int32_t token)/sipo_session_decode(sipo_session* session, int64_t token)/'
expect 1 "sipo_session_decode" "a parameter of another type"
change 's/^SIPO_API void sipo_model_free/SIPO_API sipo_status sipo_model_free/'
expect 1 "sipo_model_free" "a result of another type"
change 's/^typedef int (\*sipo_progress_fn)(void\* user, uint64_t done/typedef int (*sipo_progress_fn)(void* user, uint32_t done/'
expect 1 "sipo_progress_fn" "a callback of another type"
change '/sipo_session_reset(sipo_session\* session);/d'
expect 1 "sipo_session_reset" "a removed function"
change 's/SIPO_WEIGHTS_Q8 = 120/SIPO_WEIGHTS_Q8 = 121/'
expect 1 "SIPO_WEIGHTS_Q8 120" "a constant of another value"
change '/^SIPO_API int32_t sipo_version_number/i SIPO_API void sipo_added(void);'
expect 0 'interface holds' "an added function"

change ''
printf 'int sipo_version_number(void) { return 0; }\n' >"$work/small.c"
library=$work/small.so
${CC:-cc} -shared -fPIC -Wl,--version-script="$(dirname "$check")/../../capi/sipo.map" "$work/small.c" -o "$library" || exit 1
expect 1 'sipo_session_reset' "a library without the functions of the record"

echo "1..$count"
[ "$failures" -eq 0 ]
