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

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python}
fail() { echo "error: $1" >&2; exit 1; }

# ------------------------------------------------------------------ options
out= mirror=() rest=()
while (($#)); do
    case $1 in
        --out|--mirror) (($# > 1)) || fail "$1 needs a value." ;;
    esac
    case $1 in
        --out) out=$2; shift 2 ;;
        --mirror) mirror=(--mirror "$2"); shift 2 ;;
        -h|--help) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) rest+=("$1"); shift ;;
    esac
done
[[ -n $out ]] || fail "--out, the folder to write to, must be given."

# ------------------------------------------------------------------ download, prepare
"$python" "$here/wmt14_raw.py" --out "$out" ${mirror[@]+"${mirror[@]}"}
"$python" "$here/prepare.py" --raw "$out/raw" --out "$out" \
    --source-lang en --target-lang de --max-length 250 --max-ratio 1.5 --drop-tested \
    ${rest[@]+"${rest[@]}"}
