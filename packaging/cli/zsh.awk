# Completion for zsh, from all_help through parse.awk.
function quote(text) {
    gsub(/'/, "", text)
    gsub(/[\[\]:\\]/, "\\\\&", text)
    return text
}
function command(name, usage,    words) {
    current = name
    order[++count] = name
    split(name, words, " ")
    if (words[2] == "") top = top " " name
    else below[words[1]] = below[words[1]] " " words[2]
}
function about(line) {}
function heading(text) {}
function example(line) {}
function option(name, value, help,    i, n, words) {
    n = is_choice(value)
    words = ":value:_files"
    if (n) {
        words = ":value:("
        for (i = 1; i <= n; ++i) words = words (i == 1 ? "" : " ") choices[i]
        words = words ")"
    }
    specs[current] = specs[current] sprintf(" \\\n                '--%s[%s]%s'", name, quote(help), value == "" ? "" : words)
}
function finish(    i, name) {
    print "#compdef sipo"
    print "# Made from what `sipo COMMAND --help` says."
    print "_sipo() {"
    print "    local command=$words[2]"
    printf "    if (( CURRENT == 2 )); then\n        compadd --%s help --help --version\n        return\n    fi\n", top
    for (name in below) {
        printf "    if [[ $command == %s ]]; then\n", name
        printf "        if (( CURRENT == 3 )); then\n            compadd --%s --help\n            return\n        fi\n", below[name]
        print "        command=\"$command $words[3]\"\n    fi"
    }
    print "    case $command in"
    for (i = 1; i <= count; ++i)
        if (specs[order[i]] != "")
            printf "        '%s')\n            _arguments '*:file:_files'%s\n            ;;\n", order[i], specs[order[i]]
    print "    esac"
    print "}"
    print "_sipo \"$@\""
}
