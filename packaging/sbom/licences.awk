# The list of third-party licences for people, from components.txt.
BEGIN {
    FS = "\t"
    print "What an installed Sipo has in it or links that is not its own. Sipo itself is under Apache-2.0.\n"
    words["shared"] = "shared library"; words["header"] = "compiled in"
    words["static"] = "linked into the CUDA plugin"; words["plugin"] = "shared library of the CUDA plugin"
}
/^#/ || $2 == "tool" { next }
{ printf "%s\n    %s\n    licence:   %s\n    copyright: %s\n    %s\n\n", $1, words[$2] ($2 == "header" ? "" : " (" $3 ")"), $5, $7, $6 }
