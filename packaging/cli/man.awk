# The section COMMANDS of sipo(1), from all_help through parse.awk.
function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.']/) text = "\\&" text
    return text
}
function close_example() { if (in_example) print ".EE\n.RE"; in_example = 0 }
function command(name, usage) {
    close_example()
    printf ".SS \"sipo %s\"\n.B sipo %s\n%s\n", name, name, roff(usage)
    paragraph = 1
}
function about(line) {
    if (line == "") { paragraph = 1; return }
    if (line ~ /^  [a-z]+  /) {
        # "  passkey     what it does"
        sub(/^ +/, "", line)
        word = line
        sub(/ .*/, "", word)
        sub(/^[a-z]+ +/, "", line)
        printf ".TP\n.B %s\n%s\n", word, roff(line)
        paragraph = 1
        return
    }
    if (paragraph) print ".PP"
    paragraph = 0
    print roff(line)
}
function heading(text) { printf ".PP\n%s:\n", roff(text) }
function option(name, value, help) {
    print ".TP"
    if (value == "") printf ".B \\-\\-%s\n", roff(name)
    else printf ".BI \\-\\-%s \" %s\"\n", roff(name), roff(value)
    print roff(help)
}
function example(line) {
    if (line !~ /^  /) { close_example(); return }
    if (!in_example) print ".PP\n.RS\n.EX"
    in_example = 1
    print roff(substr(line, 3))
}
function finish() { close_example() }
