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

. "$(dirname "${BASH_SOURCE[0]}")/lib/options.sh"
out= data= bpe_operations=16000
read_options "out data bpe-operations" "$@"
require out "the folder to write to"
require data "the folder of the text files"

# ------------------------------------------------------------------ prepare
"$python" "$here/prepare.py" --out "$out" --source-lang en --target-lang de \
    --train "$data"/train.{en,de}.gz --valid "$data"/valid.{en,de}.gz \
    --test "$data"/test_docs.{en,de}.gz "$data"/newstest2014.{en,de}.gz \
    --max-ratio 2 --bpe-operations "$bpe_operations" ${rest[@]+"${rest[@]}"}
