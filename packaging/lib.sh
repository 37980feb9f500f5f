# What dev and its commands share; to be sourced in the root of the checkout.
# shellcheck shell=bash disable=SC2034

build_packages=(g++ cmake ninja-build pkg-config libzstd-dev libxxhash-dev libutf8proc-dev
    libflatbuffers-dev flatbuffers-compiler nlohmann-json3-dev)
test_packages=(libgtest-dev binutils abigail-tools doxygen groff)
bench_packages=(libbenchmark-dev)
binding_packages=(swig openjdk-17-jdk-headless junit5 libopentest4j-java libapiguardian-java libpicocli-java
    maven libmaven-compiler-plugin-java libmaven-resources-plugin-java libmaven-jar-plugin-java libsurefire-java
    mono-mcs mono-runtime libmono-system-core4.0-cil nunit-console libnunit-framework2.6.3-cil golang-go curl)
browser_packages=(chromium) # looks at reports
deb_packages=(debhelper devscripts dpkg-dev fakeroot javahelper lintian perl)
arm64_packages=(g++-aarch64-linux-gnu libgtest-dev mmdebstrap qemu-user-static)
release_packages=(strip-nondeterminism zip)
install_test_packages=(mmdebstrap util-linux)
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

# build PRESET [CMake arguments]: with the defaults for what is not said, whatever was built there before.
build() {
    configure "$@"
    cmake --build --preset "$1" -j "$(nproc)"
}

configure() {
    local preset=$1
    shift
    say "Building ($preset)"
    cmake --fresh --preset "$preset" "$@" >"build-$preset.log" 2>&1 || { cat "build-$preset.log"; exit 1; }
    rm -f "build-$preset.log"
}

run_tests() {
    local preset=$1
    shift
    say "Testing ($preset)"
    ctest --test-dir "build/$preset" --output-on-failure -j "$(nproc)" "$@"
}

# The version, from its one place.
project_version() { sed -n 's/^project(sipo VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt; }

# The time that packed files get: that of the newest entry of Debian's changelog.
release_time() { dpkg-parsechangelog -l packaging/debian/changelog -STimestamp; }

# tarball FOLDER NAME ARCHIVE: packs FOLDER/NAME as FOLDER/ARCHIVE, the same bytes for the same files.
tarball() {
    tar -C "$1" --sort=name --mtime="@$(release_time)" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw \
        -cf - "$2" | gzip -9n >"$1/$3"
}

# export_tree FOLDER: the checkout as it is (what git tracks of it) as FOLDER/sipo-VERSION and packed as
# FOLDER/sipo_VERSION.orig.tar.gz.
export_tree() {
    local folder=$1 name changed
    name=sipo-$(project_version)
    changed=$(git stash create)
    rm -rf "$folder"
    mkdir -p "$folder/$name"
    git archive "${changed:-HEAD}" | tar -x -C "$folder/$name"
    tarball "$folder" "$name" "sipo_$(project_version).orig.tar.gz"
}
