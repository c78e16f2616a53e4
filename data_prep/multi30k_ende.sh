#!/usr/bin/env bash
# Multi30k English->German (29,000 image captions), from the official files to OUT/bin.
#
#   bash data_prep/multi30k_ende.sh --out OUT [--data DIR] [--bpe-operations 6000]
#
# --data DIR: use DIR/{train,val,test_2016_flickr,test_2017_flickr}.{en,de}.gz instead
# of downloading them to OUT/download (from the address in MULTI30K_URL, if it is set).
# Any other option goes to prepare.py.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib/options.sh"
# At commit a3d2e0d or, if that has gone, the latest; the content is checked either way.
urls=(https://raw.githubusercontent.com/multi30k/dataset/{a3d2e0d,master}/data/task1/raw)
[[ -z ${MULTI30K_URL:-} ]] || urls=("$MULTI30K_URL")
out= data= bpe_operations=6000
read_options "out data bpe-operations" "$@"
require out "the folder to write to"

# ------------------------------------------------------------------ download
fetch() { # URL FILE: continues a broken download, or starts again where that fails
    local options=(--fail --location --silent --show-error --retry 5 --output "$2.part")
    curl "${options[@]}" --continue-at - "$1" || {
        rm -f "$2.part"
        curl "${options[@]}" "$1"
    }
}

official=()
if [[ -z $data ]]; then
    data=$out/download
    official=(--official)
    mkdir -p "$data"
    for name in {train,val,test_2016_flickr,test_2017_flickr}.{en,de}.gz; do
        for url in "${urls[@]}"; do
            [[ -e $data/$name ]] && break
            # Only a complete file gets its final name.
            fetch "$url/$name" "$data/$name" && mv "$data/$name.part" "$data/$name"
        done
        [[ -e $data/$name ]] || fail "$name could not be downloaded; run this again."
    done
fi

# ------------------------------------------------------------------ prepare
# Straight quotation marks (183 of 29,000 captions have others): the rows are of that text.
"$python" "$here/multi30k_raw.py" --data "$data" --out "$out" ${official[@]+"${official[@]}"}
"$python" "$here/prepare.py" --raw "$out/raw" --out "$out" \
    --source-lang en --target-lang de --bpe-operations "$bpe_operations" --plain-quotes \
    ${rest[@]+"${rest[@]}"}
