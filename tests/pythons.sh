#!/usr/bin/env bash
# The unit tests under other Pythons, each in an environment of its own.
#
#   bash tests/pythons.sh PYTHON ...       e.g. bash tests/pythons.sh python3.12 python3.13
#
# A PYTHON is an interpreter's name or path. Its environment is build/python-VERSION, made
# by examples/install.sh and kept; where torch has no build for CPUs alone, this brings
# some gigabytes. One line a Python at the end; other than 0 if one of them failed.
#
# VQ_NAT_TORCH    the torch to ask for; default: that of examples/install.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
(($#)) || { sed -n '2,11s/^# \{0,1\}//p' tests/pythons.sh >&2; exit 2; }
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
summary=()
failed=0

for interpreter; do
    version=$("$interpreter" -c "import platform; print(platform.python_version())")
    venv=build/python-$version
    commit=$(git describe --always --dirty 2>/dev/null || echo "no commit")
    # The engine lies in the package, one for each Python: sources alone are copied.
    copy=$venv/tree
    mkdir -p "$copy"
    git ls-files -z | tar -c --null --files-from=- | tar -x -C "$copy"
    (cd "$copy" && PYTHON=$interpreter bash examples/install.sh ..)
    log=$venv/tests.log
    echo "pythons: $version, log $log"
    (cd "$copy" && ../bin/python -m pytest -q -p no:cacheprovider tests/unit) \
        >"$log" 2>&1 || failed=1
    torch=$("$venv/bin/python" -c "import torch; print(torch.__version__)")
    summary+=("Python $version, torch $torch, $commit: $(tail -n 1 "$log")")
done
printf '%s\n' "${summary[@]}"
exit "$failed"
