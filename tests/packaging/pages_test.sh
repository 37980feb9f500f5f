#!/usr/bin/env bash
# Man pages and completions leave out nothing of what the tool and the header have. Output like TAP.
#   pages_test.sh SIPO FOLDER_OF_PAGES HEADER
set -u
export LC_ALL=C.UTF-8
sipo=$1 pages=$2 header=$3
work=$(mktemp -d "${TMPDIR:-/tmp}/sipo-pages.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
count=0
failures=0

# result NAME: fails when $work/wrong is not empty.
result() {
    count=$((count + 1))
    if [ ! -s "$work/wrong" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        sed 's/^/# /' "$work/wrong"
        failures=$((failures + 1))
    fi
}

# The commands and those that eval's help explains, read in another way than the pages are made.
commands=$("$sipo" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(printf '%s\n' "$commands" | wc -l)" -ge 8 ] || { echo "Bail out! no commands"; exit 1; }
options() { "$sipo" "$@" --help | grep -o '^  --[a-z-]*' | tr -d ' '; }
names() {
    for name in $commands; do [ "$name" = eval ] || echo "$name"; done
    "$sipo" eval --help | sed -n 's/^  \([a-z]*\)  .*/eval \1/p'
}

for page in sipo.1 libsipo.3; do
    groff -ww -Kutf8 -Tutf8 -man -rLL=120n "$pages/$page" >"$work/$page.raw" 2>"$work/wrong"
    sed 's/\x1b\[[0-9;]*m//g; s/.\x08//g; s/‐/-/g; s/−/-/g' "$work/$page.raw" >"$work/$page.txt"
    result "groff has nothing to say about $page"
done

: >"$work/wrong"
names | while read -r name; do
    # The section of this command alone.
    sed -n "/^   sipo $name\$/,/^   sipo /p;/^   sipo $name\$/,/^[A-Z]/p" "$work/sipo.1.txt" >"$work/section"
    # shellcheck disable=SC2086
    for option in $(options $name); do
        grep -q -- "^ *$option\\( \\|\$\\)" "$work/section" || echo "sipo $name $option is not in sipo(1)"
    done
done >"$work/wrong"
result "sipo(1) has every option of every command"

grep -o 'sipo_[a-z0-9_]*(' "$header" | sort -u | tr -d '(' | while read -r function; do
    grep -q -- "$function(" "$work/libsipo.3.txt" || echo "$function is not in libsipo(3)"
done >"$work/wrong"
result "libsipo(3) has every function"

# complete WORD...: what bash offers for the last word.
complete_words() {
    bash --norc -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sipo; printf "%s\n" "${COMPREPLY[@]}"' \
        bash "$pages/completions/sipo" "$@"
}
{
    for name in $commands; do
        complete_words sipo '' | grep -qx -- "$name" || echo "bash: no $name"
    done
    names | while read -r name; do
        # shellcheck disable=SC2086
        diff <(complete_words sipo $name -- | sort) <(options $name | sort) | sed "s/^/bash: $name /"
    done
    complete_words sipo generate m --context long | grep -qx longmamba || echo "bash: no longmamba"
} >"$work/wrong" 2>&1
result "bash completes every command and option"

{
    names | while read -r name; do
        condition="__fish_seen_subcommand_from ${name/ /; and __fish_seen_subcommand_from }"
        # shellcheck disable=SC2086
        for option in $(options $name); do
            grep -qF -- "-n '$condition' -l ${option#--} " "$pages/completions/sipo.fish" || echo "fish: no $name $option"
            sed -n "/^        '$name')/,/;;/p" "$pages/completions/_sipo" | grep -qF -- "'${option}[" ||
                echo "zsh: no $name $option"
        done
    done
    ! command -v zsh >/dev/null || zsh -n "$pages/completions/_sipo"
    ! command -v fish >/dev/null || fish --no-execute "$pages/completions/sipo.fish"
} >"$work/wrong" 2>&1
result "fish and zsh complete every option"

echo "1..$count"
[ "$failures" -eq 0 ]
