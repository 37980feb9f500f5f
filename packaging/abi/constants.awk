# The numbers that sipo.h promises: enumerators and macros, but for the header's own version.
#   awk -f constants.awk sipo.h
/^#define SIPO_[A-Z_]+ / && $2 !~ /^SIPO_(VERSION_|API|SIPO_H_)/ {
    name = $2
    sub(/^#define SIPO_[A-Z_]+ +/, "")
    print name, $0
}
{
    sub(/\/\*.*/, "")
    while (match($0, /SIPO_[A-Z0-9_]+ = -?[0-9]+/)) {
        constant = substr($0, RSTART, RLENGTH)
        $0 = substr($0, RSTART + RLENGTH)
        sub(/ = /, " ", constant)
        print constant
    }
}
