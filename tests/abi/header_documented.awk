# Every function of sipo.h has a comment of its own that says since which version it is there, and that is
# none later than the header's own version.
#   awk -f header_documented.awk sipo.h
/^#define SIPO_VERSION_(MAJOR|MINOR) / { version = version * 1000 + $3 }
/^\/\*/ { comment = ""; inside = 1 }
inside { comment = comment " " $0 }
/\*\/$/ { inside = 0 }
# What ends before the function takes its comment along.
!inside && /^};?$|^[^S].*;$/ { comment = "" }
/^SIPO_API/ {
    ++functions
    name = $0
    if (name !~ /sipo_[a-z0-9_]+\(/) { getline next_line; name = name next_line }
    match(name, /sipo_[a-z0-9_]+\(/)
    name = substr(name, RSTART, RLENGTH - 1)
    
    gsub(/[ *]+/, " ", comment)
    if (comment == "") fail("has no comment of its own")
    else if (!match(comment, /Since [0-9]+\.[0-9]+\. \/$/)) fail("does not say since when it is there")
    else {
        split(substr(comment, RSTART + 6), since, ".")
        if (since[1] * 1000 + since[2] > version) fail("is there since a version to come")
    }
    comment = ""
}
function fail(what) { printf "sipo.h:%d: %s %s\n", NR, name, what; failed = 1 }
END {
    if (functions == 0) { print "sipo.h: no functions found"; failed = 1 }
    printf "%d functions\n", functions
    exit failed
}
