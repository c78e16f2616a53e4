#!/usr/bin/env bash
# WMT'14 English->German (4.5 million pairs), from the official archives to OUT/bin.
#
#   bash data_prep/wmt14_ende.sh --out OUT [--mirror URL_OR_DIR] [--bpe sentencepiece]
#
# --mirror: take all archives from there; its SHA256SUMS, if any, counts instead of the
#   official sums. Downloads stay in OUT/download and are continued.
# Any other option goes to prepare.py, such as --workers or --bpe-operations (32000).
#
# Pairs are left out if a side is empty or has more than 250 subwords, if one side is
# more than 1.5 times as long as the other, or if a sentence is in newstest2013 or 2014.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib/options.sh"
out= mirror=
read_options "out mirror" "$@"
require out "the folder to write to"

# ------------------------------------------------------------------ download, prepare
"$python" "$here/wmt14_raw.py" --out "$out" ${mirror:+--mirror "$mirror"}
"$python" "$here/prepare.py" --raw "$out/raw" --out "$out" \
    --source-lang en --target-lang de --max-length 250 --max-ratio 1.5 --drop-tested \
    ${rest[@]+"${rest[@]}"}
