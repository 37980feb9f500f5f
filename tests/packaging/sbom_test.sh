#!/usr/bin/env bash
# The bill of materials is SPDX 2.3 and leaves nothing out: every library that libsipo links, every foreign header
# that its sources include. Output like TAP.
#   sbom_test.sh DOCUMENT SOURCE LIBRARY
set -u
export LC_ALL=C
document=$1 source=$2 library=$3
work=$(mktemp -d "${TMPDIR:-/tmp}/sipo-sbom.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
count=0
failures=0

# result NAME: fails when $work/wrong is not empty.
result() {
    count=$((count + 1))
    if [ ! -s "$work/wrong" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/wrong"
        failures=$((failures + 1))
    fi
}

for field in 'SPDXVersion: SPDX-2.3' 'DataLicense: CC0-1.0' 'SPDXID: SPDXRef-DOCUMENT' 'DocumentName: .' \
    'DocumentNamespace: https://.' 'Creator: Tool: .' \
    'Created: [0-9]\{4\}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z$'; do
    [ "$(sed '/^PackageName/,$d' "$document" | grep -c "^$field")" -eq 1 ] || echo "not once: $field"
done >"$work/wrong"
result "the document has the fields that SPDX 2.3 asks for"

awk '
    function check(   i) {
        if (name == "") return
        for (i in wanted) if (!(i in seen)) print name " has no " i
        split("", seen)
    }
    BEGIN {
        split("SPDXID PackageVersion PackageDownloadLocation FilesAnalyzed PackageLicenseConcluded PackageLicenseDeclared PackageCopyrightText", list, " ")
        for (i in list) wanted[list[i]]
    }
    /^PackageName: / { check(); name = $2; ++packages }
    /^Relationship: / { check(); name = "" }
    /^[A-Za-z]+: ./ { key = $1; sub(/:$/, "", key); seen[key] }
    END { if (packages < 10) print "only " packages + 0 " packages" }' "$document" >"$work/wrong"
result "so has every package"

grep '^SPDXID: ' "$document" | sort | uniq -d >"$work/wrong"
result "ids are unique"
grep '^SPDXID: ' "$document" | sed 's/^SPDXID: //' | sort >"$work/ids"
sed -n 's/^Relationship: \(\S*\) \S* \(\S*\)$/\1\n\2/p' "$document" | sort -u >"$work/related"
comm -13 "$work/ids" "$work/related" >"$work/wrong"
comm -23 "$work/ids" "$work/related" >>"$work/wrong"
result "relationships name packages of the document, and all of them"

readelf -dW "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r needed; do
    grep -q "^PackageComment: <text>shared: .*$needed" "$document" || echo "$needed is not listed"
done >"$work/wrong"
result "every library that libsipo needs is listed"

grep -rhoE '^#include <[^>]+>' "$source/impl" "$source/capi/src" "$source/kernels/cpu" | sort -u |
    sed 's/#include <\(.*\)>/\1/' | while read -r header; do
    [ -e "/usr/include/$header" ] || continue # the compiler's, or made by the build
    owner=$(dpkg-query -S "/usr/include/$header" 2>/dev/null | sed 's/[:,].*//')
    case $owner in '' | libc6-dev | linux-libc-dev) continue ;; esac
    grep -q "pkg:deb/debian/$owner@" "$document" || echo "<$header> of $owner is not listed"
done >"$work/wrong"
result "every foreign header that the sources include is listed"

echo "1..$count"
[ "$failures" -eq 0 ]
