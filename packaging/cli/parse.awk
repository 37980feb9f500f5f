# Reads what all_help prints and tells the file that follows this one on the command line, which defines
#   command(name, usage)          a command begins: "eval passkey", "MODEL --noise FILE [options]"
#   about(line)                   a line of its description; empty between paragraphs
#   heading(text)                 options follow
#   option(name, value, help)     name without dashes; value is "" for a flag
#   example(line)                 shell
#   finish()                      the end
function flush_option() {
    if (pending != "") option(pending, pending_value, pending_help)
    pending = ""
}
/^== / { flush_option(); name = substr($0, 4); part = "usage"; next }
part == "usage" { command(name, substr($0, length("usage: sipo " name " ") + 1)); part = "about"; next }
part != "" && /^Example:$/ { flush_option(); part = "example"; next }
part != "example" && /^[A-Z][A-Za-z ]*:$/ { flush_option(); part = "options"; heading(substr($0, 1, length($0) - 1)); next }
part == "about" { about($0) }
part == "example" { if ($0 !~ /^$/) example($0) }
part == "options" && /^  --/ {
    flush_option()
    text = substr($0, 5)
    pending_help = ""
    if (match(text, /  +/)) {
        pending_help = substr(text, RSTART + RLENGTH)
        text = substr(text, 1, RSTART - 1)
    }
    pending = text
    pending_value = ""
    if (match(text, / /)) {
        pending = substr(text, 1, RSTART - 1)
        pending_value = substr(text, RSTART + 1)
    }
    next
}
part == "options" && pending != "" && /^   / {
    sub(/^ +/, "")
    pending_help = pending_help (pending_help == "" ? "" : " ") $0
}
END { flush_option(); finish() }

# Whether a value is a choice of words, "auto|f32|q8"; they go into choices[1..].
function is_choice(value) { return value ~ /^[a-z0-9_]+(\|[a-z0-9_]+)+$/ ? split(value, choices, "|") : 0 }
