#!/bin/sh
# The objects that are compiled for newer processors keep their code to themselves. The linker takes any
# one copy of a weak symbol (an inline function, a template's instance): were it one of these, a machine
# without AVX would execute it. And nothing of them may run before a table is chosen. Output like TAP;
# exit 1 when a check fails, 77 when there are no such objects.
#
#   isa_symbols.sh DIRECTORY   the build's folder of kernels/cpu, with CMakeFiles/sipo_cpu_avx*.dir

set -u
export LC_ALL=C
work=$(mktemp -d "${TMPDIR:-/tmp}/sipo-isa.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
count=0
failures=0

# none NAME: $work/found is empty.
none() {
    count=$((count + 1))
    if [ -s "$work/found" ]; then
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/found"
        failures=$((failures + 1))
    else
        echo "ok $count - $1"
    fi
}

for folder in "$1"/CMakeFiles/sipo_cpu_avx*.dir; do
    [ -d "$folder" ] || continue
    isa=${folder##*/sipo_cpu_}
    isa=${isa%.dir}
    # Mangled names: a function, a local static, a guard, a type's data of namespace sipo::cpu::<isa>.
    own="^_Z(Z|GV|T[VIST]|GR)*NK?4sipo3cpu${#isa}${isa}"
    objects=0
    : >"$work/weak"
    : >"$work/early"
    for object in "$folder"/*.o; do
        [ -f "$object" ] || continue
        objects=$((objects + 1))
        nm --defined-only "$object" >"$work/nm" && readelf -SW "$object" >"$work/sections" || exit 1
        awk -v file="${object##*/}" -v own="$own" \
            '$2 ~ /^[WVu]$/ && $3 !~ own { print file ": " $3 }' "$work/nm" >>"$work/weak"
        grep -E '\.(init_array|ctors|preinit_array)' "$work/sections" |
            sed "s|^|${object##*/}: |" >>"$work/early"
    done
    [ "$objects" -gt 0 ] || continue
    mv "$work/weak" "$work/found"
    none "$isa: the $objects objects share no function with others"
    mv "$work/early" "$work/found"
    none "$isa: nothing runs before main()"
done

echo "1..$count"
[ "$count" -gt 0 ] || exit 77
[ "$failures" -eq 0 ]
