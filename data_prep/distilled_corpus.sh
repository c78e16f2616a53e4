#!/usr/bin/env bash
# From the official files to a verified distilled corpus: text, teacher, distillation.
#
#   bash data_prep/distilled_corpus.sh --corpus multi30k|wmt14|longtext --work DIR
#       [--data DIR_OF_FILES] [--preset NAME] [OPTION OF distill.py ...]
#
# --data: the files, if they are there already (for wmt14 a mirror's address will do).
# --preset: the teacher's, see train_teacher.sh; default: the corpus.
# The rest goes to distill.py, such as --mono FILE ... or --backend ctranslate2.
# DIR gets corpus, teacher and distilled. Run it again after an interruption.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib/options.sh"
corpus= work= data= preset=
read_options "corpus work data preset" "$@"
require work "the folder for everything"
case $corpus in
    multi30k|longtext) files=(${data:+--data "$data"}) ;;
    wmt14) files=(${data:+--mirror "$data"}) ;;
    *) fail "--corpus must be multi30k, wmt14 or longtext, but is '$corpus' instead." ;;
esac

# ------------------------------------------------------------------ corpus, teacher
bash "$here/${corpus}_ende.sh" --out "$work/corpus" ${files[@]+"${files[@]}"}
bash "$here/train_teacher.sh" --preset "${preset:-$corpus}" \
    --data "$work/corpus" --out "$work/teacher"

# ------------------------------------------------------------------ distilled, verified
"$python" "$here/distill.py" --teacher "$work/teacher/teacher.pt" \
    --data "$work/corpus" --out "$work/distilled" ${rest[@]+"${rest[@]}"}
"$python" "$here/verify.py" "$work/distilled" --data "$work/corpus" \
    --teacher "$work/teacher/teacher.pt"
