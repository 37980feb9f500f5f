#!/bin/bash
# build.sh SOURCE.cu OUT [-i] [more flags of g++]
# -i: instruments the kernel's accesses to memory: races in shared memory are found, and --preempt works.
# Headers: those of this folder's shim/, else those beside SOURCE, else those of $KERNELS.
set -e
here=$(dirname "$(realpath "$0")")
kernels=${KERNELS:-$here/../../kernels/cuda}
impl=${IMPL:-$here/../../impl}
source=$(realpath "$1"); out=$2; shift 2
instrument=
if [ "$1" = -i ]; then instrument="-fsanitize=thread -DEMU_INSTRUMENTED --param tsan-distinguish-volatile=0"; shift; fi
dir=$(realpath -m "$out").d
rm -rf "$dir"; mkdir -p "$dir"
cp "$kernels"/*.cuh "$kernels"/*.hpp "$dir"
beside=$(dirname "$source")
if [ "$beside" != "$here" ]; then cp "$beside"/*.cuh "$beside"/*.hpp "$dir" 2>/dev/null || true; fi
cp "$source" "$dir/kernel.cu"
# What is shared becomes the current block's memory; a kernel's parameters stay where they are; the
# quick functions in asm.
for f in "$dir"/*.cuh "$dir/kernel.cu"; do
    perl -0pi -e '
        s/extern __shared__ (?:__align__\(\w+\) )?([\w:\s]+?)(\w+)\[\];/$1* $2 = reinterpret_cast<$1*>(::emu::shared_memory());/g;
        s/^(\s*)(?:alignas\(\w+\) )?__shared__ (?:__align__\(\w+\) )?([\w:]+) (\w+)((?:\[[^\]]+\])*);/$1auto& $3 = *static_cast<std::type_identity_t<$2$4>*>(::emu::static_shared(sizeof($2$4), __FILE__, __LINE__));/mg;
        s/const __grid_constant__ (\w+) /const $1& /g;
        s/asm\("ex2\.approx\.ftz\.f32 %0, %1;" : "=f"\((\w+)\) : "f"\((\w+)\)\);/$1 = exp2f($2);/g;
        s/asm\("rcp\.approx\.ftz\.f32 %0, %1;" : "=f"\((\w+)\) : "f"\((\w+)\)\);/$1 = 1.0F \/ $2;/g;
    ' "$f"
done
cp "$here"/shim/* "$dir"
flags="-std=c++20 -O2 -g1 -march=native -fno-strict-aliasing -fno-pie -Wall -Wno-unknown-pragmas -Wno-unused-function -Wno-class-memaccess -Wno-sign-compare"
includes="-I $here/shim -I $dir -I $here/engine -I $impl"
nice g++ $flags $includes $instrument -D__CUDA_ARCH__=900 -D__CUDACC__ "$@" -x c++ -c "$dir/kernel.cu" -o "$dir/kernel.o" &
one=$!
run=${RUN:-$here/run.cpp}   # none: main() is in SOURCE
main=
if [ "${run%.o}" != "$run" ]; then main=$run
elif [ "$run" != none ]; then main=$dir/run.o; nice g++ $flags $includes "$@" -c "$run" -o "$main"; fi
for part in engine hooks; do
    object=$here/engine/$part.o
    if [ ! -e "$object" ] || [ -n "$(find "$here/engine/$part.cpp" "$here"/engine/*.hpp -newer "$object")" ]; then
        nice g++ $flags -I "$here/engine" -c "$here/engine/$part.cpp" -o "$object.$$"
        mv "$object.$$" "$object"
    fi
done
wait $one
g++ -no-pie "$dir/kernel.o" $main "$here/engine/engine.o" "$here/engine/hooks.o" -o "$out"
