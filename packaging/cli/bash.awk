# Completion for bash, from all_help through parse.awk.
function add(list, word) { return list (list == "" ? "" : " ") word }
function command(name, usage,    words) {
    current = name
    order[++count] = name
    split(name, words, " ")
    if (words[2] == "") top = add(top, name)
    else below[words[1]] = add(below[words[1]], words[2])
}
function about(line) {}
function heading(text) {}
function example(line) {}
function option(name, value, help,    i, n) {
    options[current] = add(options[current], "--" name)
    n = is_choice(value)
    if (!n) return
    words = ""
    for (i = 1; i <= n; ++i) words = add(words, choices[i])
    values = values sprintf("        \"%s --%s\") words=\"%s\" ;;\n", current, name, words)
}
function finish(    i, name) {
    print "# Completion of sipo for bash; made from what `sipo COMMAND --help` says."
    print "_sipo() {"
    print "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words="
    print "    COMPREPLY=()"
    print "    if [ \"$COMP_CWORD\" -eq 1 ]; then"
    printf "        mapfile -t COMPREPLY < <(compgen -W \"%s help --help --version\" -- \"$word\")\n", top
    print "        return"
    print "    fi"
    for (name in below) {
        printf "    if [ \"$command\" = %s ]; then\n", name
        print "        if [ \"$COMP_CWORD\" -eq 2 ]; then"
        printf "            mapfile -t COMPREPLY < <(compgen -W \"%s --help\" -- \"$word\")\n", below[name]
        print "            return"
        print "        fi"
        printf "        command=\"%s ${COMP_WORDS[2]}\"\n    fi\n", name
    }
    printf "    case \"$command $before\" in\n%s", values
    print "        *)"
    print "            [[ $word == -* ]] || return"
    print "            case \"$command\" in"
    for (i = 1; i <= count; ++i)
        if (options[order[i]] != "") printf "                \"%s\") words=\"%s\" ;;\n", order[i], options[order[i]]
    print "            esac"
    print "            ;;"
    print "    esac"
    print "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")"
    print "}"
    print "complete -o default -F _sipo sipo"
}
