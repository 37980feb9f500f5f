# What `sipo eval passkey --json` measured, a line for each length and method: length, method, found, of.
/^      "length":/ { number = $2; sub(/,/, "", number) }
/^      "method":/ { method = $2; gsub(/[",]/, "", method) }
/^      "correct":/ { correct = $2; sub(/,/, "", correct) }
/^      "total":/ { total = $2; sub(/,/, "", total); printf "%d\t%s\t%d\t%d\n", number, method, correct, total }
