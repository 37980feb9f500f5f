# What dev and its commands share; to be sourced in the root of the checkout.
# shellcheck shell=bash disable=SC2034

build_packages=(g++ cmake ninja-build pkg-config libzstd-dev libxxhash-dev libutf8proc-dev
    libflatbuffers-dev flatbuffers-compiler nlohmann-json3-dev)
test_packages=(libgtest-dev binutils abigail-tools doxygen groff)
bench_packages=(libbenchmark-dev)
binding_packages=(swig openjdk-17-jdk-headless junit5 libopentest4j-java libapiguardian-java libpicocli-java
    mono-mcs mono-runtime libmono-system-core4.0-cil nunit-console libnunit-framework2.6.3-cil golang-go curl)
browser_packages=(chromium) # looks at reports
lint_packages=(clang-format clang-tidy)

say() { printf '\n== %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs those of the packages that are missing.
need() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "Installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" >/dev/null
}

# build PRESET [CMake arguments]
build() {
    configure "$@"
    cmake --build --preset "$1" -j "$(nproc)"
}

configure() {
    local preset=$1
    shift
    say "Building ($preset)"
    cmake --preset "$preset" "$@" >"build-$preset.log" 2>&1 || { cat "build-$preset.log"; exit 1; }
    rm -f "build-$preset.log"
}

run_tests() {
    local preset=$1
    shift
    say "Testing ($preset)"
    ctest --test-dir "build/$preset" --output-on-failure -j "$(nproc)" "$@"
}
