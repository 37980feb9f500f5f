#!/usr/bin/env bash
# The README's program of a language, copied into an empty folder, compiled and run as the README says: it
# prints the number that the prompt hides.
#   snippet_check.sh java|csharp|go README BINDINGS_BUILD MODEL TEXT PREFIX
set -euo pipefail
language=$1 readme=$2 build=$3 model=$4 text=$5 prefix=$6
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"

snippet() { awk -v fence="\`\`\`$language" '$0 == fence { on = 1; next } /^```$/ { on = 0 } on' "$readme" >"$1"; }

# bytes OFFSET COUNT
bytes() { dd if="$text" iflag=skip_bytes,count_bytes skip="$1" count="$2" status=none; }

{
    bytes 4000 9000
    printf ' The pass key is 48305. Remember it. 48305 is the pass key.'
    bytes 13000 9000
    printf ' What is the pass key? The pass key is'
} >prompt.txt

case $language in
java)
    snippet First.java
    cp "$build/java/sipo.jar" .
    javac -Xlint:all -Werror -cp sipo.jar First.java
    said=$(java -cp sipo.jar:. First "$model" prompt.txt)
    ;;
csharp)
    snippet First.cs
    cp "$build"/csharp/nuget/lib/netstandard2.0/Sipo.dll "$build"/csharp/nuget/runtimes/linux-x64/native/* .
    mcs -warnaserror -r:Sipo.dll First.cs
    said=$(mono First.exe "$model" prompt.txt)
    ;;
go)
    snippet first.go
    go mod init first 2>/dev/null
    go mod edit -require=sipo@v0.1.0 -replace="sipo=$prefix/share/gocode/src/sipo"
    go vet .
    go build
    said=$(./first "$model" prompt.txt)
    ;;
esac
echo "$language: $said"
[ "$said" = " 48305" ]
