# Every function of sipo.h with an empty body: a library of these has the binary interface of the real one,
# in symbols and in types, and nothing of its inside.
#   awk -f stubs.awk sipo.h >stubs.c
BEGIN { print "#include <sipo/sipo.h>" }
/^SIPO_API/ { declaring = 1 }
declaring {
    line = $0
    ends = sub(/;$/, "", line)
    sub(/^SIPO_API /, "", line)
    declaration = declaration (declaration == "" ? "" : " ") line
}
declaring && ends {
    print declaration (declaration ~ /^void / ? " {}" : " { return 0; }")
    declaration = ""
    declaring = 0
}
