#!/usr/bin/env bash
# English->German with long sentences, from a folder of text files to OUT/bin.
#
#   bash data_prep/longtext_ende.sh --out OUT --data DIR [--bpe-operations 16000]
#
# --data DIR holds {train,valid,test_docs,newstest2014}.{en,de}.gz, one sentence or
#   message a line; the README says what they are and how to make the like.
# Any other option goes to prepare.py.
#
# Training pairs are left out if a side is empty or has more than 250 subwords, if one
# side has more than twice the subwords of the other, or if a sentence is in another set.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python}
fail() { echo "error: $1" >&2; exit 1; }

# ------------------------------------------------------------------ options
out= data= rest=() operations=16000
while (($#)); do
    case $1 in
        --out|--data|--bpe-operations) (($# > 1)) || fail "$1 needs a value." ;;
    esac
    case $1 in
        --out) out=$2; shift 2 ;;
        --data) data=$2; shift 2 ;;
        --bpe-operations) operations=$2; shift 2 ;;
        -h|--help) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) rest+=("$1"); shift ;;
    esac
done
[[ -n $out ]] || fail "--out, the folder to write to, must be given."
[[ -n $data ]] || fail "--data, the folder of the text files, must be given."

# ------------------------------------------------------------------ prepare
"$python" "$here/prepare.py" --out "$out" --source-lang en --target-lang de \
    --train "$data"/train.{en,de}.gz --valid "$data"/valid.{en,de}.gz \
    --test "$data"/test_docs.{en,de}.gz "$data"/newstest2014.{en,de}.gz \
    --max-ratio 2 --bpe-operations "$operations" ${rest[@]+"${rest[@]}"}
