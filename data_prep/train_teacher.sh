#!/usr/bin/env bash
# Trains an autoregressive teacher on a prepared corpus.
#
#   bash data_prep/train_teacher.sh --preset wmt14 --data CORPUS --out DIR [--gpus N]
#
# --preset: a file, or a name in data_prep/presets (wmt14, wmt14-12-1, wmt14-6-1,
#   multi30k, multi30k-12-1, multi30k-6-1).
# --gpus: processes of torchrun; default: all GPUs.
# After `--`, flags of fairseq-train that shall count instead of the preset's.
# The teacher is DIR/teacher.pt: the average of the last checkpoints if the preset says
# so, otherwise the best one. An interrupted training continues.
set -euo pipefail

case ${1:-} in -h|--help) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;; esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "${PYTHON:-python}" "$here/train_teacher.py" "$@"
