#!/usr/bin/env bash
# `mvn package` in the Maven project makes what the build makes: offline, with the plugins that Debian packages. Exits
# with 77 where these are missing.
#   maven_check.sh PROJECT JAR
set -euo pipefail
project=$1 jar=$2
repository=/usr/share/maven-repo
for plugin in compiler resources surefire jar; do
    if [ ! -d $repository/org/apache/maven/plugins/maven-$plugin-plugin ] || ! command -v mvn >/dev/null; then
        echo "no Maven with its $plugin plugin"
        exit 77
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Maven writes into both.
cp -r "$project" project
cp -rs $repository repository
(cd project && mvn -o -q -B "-Dmaven.repo.local=$work/repository" package)

# unpack JAR FOLDER: without what only Maven writes.
unpack() {
    mkdir "$2"
    (cd "$2" && jar --extract --file "$1")
    rm -rf "$2"/META-INF "$2"/sipo/package-info.class
}
unpack "$jar" built
unpack "$(echo "$work"/project/target/sipo-*.jar)" packaged
diff <(cd built && find . | sort) <(cd packaged && find . | sort)
diff -r built/native packaged/native
echo "the same $(find built -name '*.class' | wc -l) classes and $(find built/native -type f | wc -l) libraries"
