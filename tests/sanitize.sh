#!/usr/bin/env bash
# The engine's tests under the address and undefined-behaviour sanitizers of gcc.
#
#   bash tests/sanitize.sh [PYTEST_OPTION ...]         e.g. bash tests/sanitize.sh -k beam
#
# A copy of the package is compiled in build/sanitize, where what did not change is kept.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
copy=build/sanitize
mkdir -p "$copy"
tar -c --exclude='*.so' --exclude=__pycache__ vq_nat tests setup.py pyproject.toml |
    tar -x -C "$copy"
cd "$copy"
VQ_NAT_SANITIZE=address,undefined python setup.py -q build_ext --inplace

library() { "${CXX:-g++}" -print-file-name="$1"; }
# Leaks are not looked for: Python and torch keep much until the process ends.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
export LD_PRELOAD="$(library libasan.so) $(library libstdc++.so)"
export PYTHONPATH=$PWD OMP_NUM_THREADS=1
python -c "from vq_nat.engine import engine; engine()"  # or all tests would be skipped
test() { python -m pytest -q -x -p no:cacheprovider "$@"; }
test tests/unit/engine "$@"
# Of vector instructions the sanitizers see little; `-k` may have no test of a model.
VQ_NAT_ISA=portable test tests/unit/engine/test_models*.py "$@" || [ $? = 5 ]
