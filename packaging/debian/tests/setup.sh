# For the tests beside this file; to be sourced in the root of the source. They know the installed packages and
# the source's model and README only. Leaves $work with model.sipo, a calibrated model, and prompt.txt, a text
# longer than it was trained on that hides a number; goes there.
set -eu
source=$PWD
work=${AUTOPKGTEST_TMP:?}
cd "$work"

if [ ! -e model.sipo ]; then
    sipo import "$source/tests/models/passkey-mamba1" model.sipo --quiet
    sipo calibrate model.sipo --text "$source/tests/data/novels-calibration.txt" --sequences 3 --quiet
    text=$source/tests/data/novels-heldout.txt
    {
        dd if="$text" iflag=skip_bytes,count_bytes skip=4000 count=6000 status=none
        printf ' The pass key is 48305. Remember it. 48305 is the pass key.'
        dd if="$text" iflag=skip_bytes,count_bytes skip=10000 count=6000 status=none
        printf ' What is the pass key? The pass key is'
    } >prompt.txt
fi

# snippet LANGUAGE FILE: the program of that language in the READMEs.
snippet() {
    case $1 in c) readme=$source/README.md ;; *) readme=$source/bindings/README.md ;; esac
    awk -v fence="\`\`\`$1" '$0 == fence { on = 1; next } /^```$/ { on = 0 } on' "$readme" >"$2"
}

# says NAME OUTPUT: whether the number was found.
says() {
    echo "$1: $2"
    case $2 in *48305*) ;; *) echo "$1 did not find the number" >&2; exit 1 ;; esac
}
