# The symbols file of libsipo0: every function of sipo.h with the version that its comment says it is there
# since, so the two cannot part.
#   awk -f symbols.awk sipo.h >libsipo0.symbols
BEGIN {
    print "libsipo.so.0 libsipo0 #MINVER#"
    print "* Build-Depends-Package: libsipo-dev"
    print " SIPO_0@SIPO_0 0.1"
}
/^\/\*/ { comment = "" }
{ comment = comment " " $0 }
/^SIPO_API/ { declaring = 1 }
declaring && match($0, /sipo_[a-z0-9_]+\(/) {
    name = substr($0, RSTART, RLENGTH - 1)
    gsub(/[ *]+/, " ", comment)
    match(comment, /Since [0-9]+\.[0-9]+\./)
    printf " %s@SIPO_0 %s\n", name, substr(comment, RSTART + 6, RLENGTH - 7)
    declaring = 0
}
