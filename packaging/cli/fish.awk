# Completion for fish, from all_help through parse.awk.
function quote(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/'/, "\\'", text)
    return "'" text "'"
}
function seen(name,    words) {
    split(name, words, " ")
    return "__fish_seen_subcommand_from " words[1] (words[2] == "" ? "" : "; and __fish_seen_subcommand_from " words[2])
}
function command(name, usage,    words) {
    if (NR == 2) print "# Completion of sipo for fish; made from what `sipo COMMAND --help` says."
    current = name
    split(name, words, " ")
    if (words[2] == "") printf "complete -c sipo -n __fish_use_subcommand -f -a %s\n", name
    else printf "complete -c sipo -n %s -f -a %s\n", quote(seen(words[1])), words[2]
}
function about(line) {}
function heading(text) {}
function example(line) {}
function option(name, value, help,    i, n, words) {
    n = is_choice(value)
    words = ""
    for (i = 1; i <= n; ++i) words = words (i == 1 ? "" : " ") choices[i]
    printf "complete -c sipo -n %s -l %s%s -d %s\n", quote(seen(current)), name,
        value == "" ? "" : n ? " -x -a " quote(words) : " -r", quote(help)
}
function finish() {}
