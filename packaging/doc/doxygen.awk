# sipo.h as Doxygen reads it: comments marked as documentation, sections as groups of members, and what
# stands indented (lists of parameters, programs) as it is typed.
function escape(text) {
    gsub(/[\\@<>#%&]/, "\\\\&", text)
    return text
}
function end_table() { if (table) print " * @endverbatim"; table = 0 }
/^\/\* ---- / {
    sub(/^\/\* -+ /, "")
    sub(/ -+ \*\/$/, "")
    printf "%s/** @name %s */\n/** @{ */\n", grouped ? "/** @} */\n" : "", $0
    grouped = 1
    next
}
/^#ifdef __cplusplus/ && grouped { print "/** @} */"; grouped = 0 }
/^\/\*/ { inside = 1; print "/**" (NR == 1 ? " @file\n *" : "") }
inside {
    last = sub(/ ?\*\/$/, "")
    sub(/^(\/\*| \*) ?/, "")
    if ($0 ~ /^  / && !table) { print " * @verbatim"; table = 1 }
    if ($0 !~ /^  /) end_table()
    print " * " (table ? $0 : escape($0))
    if (last) { end_table(); print " */"; inside = 0 }
    next
}
# Behind an enumerator.
{ sub(/\/\*/, "/**<"); print }
