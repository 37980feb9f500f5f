# libsipo(3) from sipo.h: its sections, comments and declarations.
#   awk -v version=0.1.0 -f libsipo.awk sipo.h
function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.']/) text = "\\&" text
    return text
}
# What stands indented in a comment is a table or a program; the rest is prose.
function print_comment(    i, n, lines, text, table) {
    n = split(comment, lines, "\n")
    table = 0
    for (i = 1; i <= n; ++i) {
        text = lines[i]
        if (text == "") {
            if (table) print ".EE"
            table = 0
            print ".PP"
            continue
        }
        if (text ~ /^  / && !table) { print ".PP\n.EX"; table = 1 }
        if (text !~ /^  / && table) { print ".EE\n.PP"; table = 0 }
        print roff(text)
    }
    if (table) print ".EE"
}
function print_item() {
    if (declaration != "") print ".PP\n.EX\n" declaration ".EE"
    if (comment != "") {
        print ".RS 4"
        print_comment()
        print ".RE"
    }
    comment = declaration = ""
}
BEGIN {
    printf ".TH LIBSIPO 3 \"\" \"libsipo %s\" \"Library Functions Manual\"\n", version
    print ".SH NAME\nlibsipo \\- run Mamba language models far beyond their training length"
    print ".SH SYNOPSIS\n.EX\n#include <sipo/sipo.h>\n\ncc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs sipo)\n.EE"
    print ".SH DESCRIPTION"
}
# The comment at the top of the header is the introduction.
NR == 1 { top = 1 }
top {
    done = sub(/ ?\*\/$/, "")
    sub(/^\/\* ?/, "")
    sub(/^ \* ?/, "")
    if ($0 ~ /^Rules that hold everywhere/) { print_comment(); comment = ""; print ".SS Rules that hold everywhere"; next }
    comment = comment (comment == "" ? "" : "\n") $0
    if (done) { print_comment(); comment = ""; top = 0 }
    next
}
/^\/\* ---- / { print_item(); sub(/^\/\* -+ /, ""); sub(/ -+ \*\/$/, ""); printf ".SH \"%s\"\n", toupper($0); section = 1; next }
!section { next }
/^#ifdef __cplusplus/ { exit }
/^\/\*/ { print_item(); inside = 1 }
inside {
    done = sub(/ ?\*\/$/, "")
    sub(/^\/\* ?/, "")
    sub(/^ \* ?/, "")
    comment = comment (comment == "" ? "" : "\n") $0
    if (done) inside = 0
    next
}
/^$/ { print_item(); next }
{
    sub(/^SIPO_API /, "")
    declaration = declaration roff($0) "\n"
}
END {
    print_item()
    print ".SH SEE ALSO\n.BR sipo (1)"
}
