#!/bin/sh
# Copies what run_all.sh needs out of a build tree into one folder, stripped, to be carried to a
# machine that has a device. Configure the build with SIPO_STATIC_DEPS=ON, so that the programs need
# nothing there but the C and C++ runtime, and SIPO_GPU_TESTS=ON.
#
#   pack.sh BUILD FOLDER

set -eu
[ $# -eq 2 ] || { sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
build=$1
folder=$2
mkdir -p "$folder"
for name in gpu_operations_test gpu_scans_test gpu_golden_test gpu_session_test gpu_bench sipo \
    libsipo.so.0 libsipo-cuda.so; do
    file=$(find "$build" -name "$name" ! -type d ! -path "*/CMakeFiles/*" | head -n 1)
    if [ -z "$file" ]; then
        echo "pack.sh: no $name in $build" >&2
        [ "$name" = libsipo-cuda.so ] && continue
        exit 1
    fi
    strip -o "$folder/$name" "$file"
    chmod +x "$folder/$name"
done
# What would have to be there, too.
for file in "$folder"/*; do
    ldd "$file" | awk '/=>/ { print $1 }'
done | sort -u | grep -v -E '^(libsipo\.so\.0|libc\.so\.6|libm\.so\.6|libstdc\+\+\.so\.6|libgcc_s\.so\.1|linux-vdso\.so\.1)$' |
    sed 's/^/needs /' || true
du -sh "$folder"
