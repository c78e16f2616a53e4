#!/usr/bin/env bash
# All checks and all tests; makes the virtual environment if there is none.
#
#   bash tests/run.sh [PYTEST_OPTION ...]         e.g. bash tests/run.sh -k layering
#
# VQ_NAT_VENV, PYTHON and VQ_NAT_TORCH are those of examples/install.sh.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${VQ_NAT_VENV:-$PWD/.venv}
bash examples/install.sh "$venv"
venv=$(cd "$venv" && pwd)
export PATH="$venv/bin:$PATH" OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}

step() { echo "tests: $*"; "$@"; }

# Tests of the engine are skipped where it is missing: here it must be there.
python -c "from vq_nat import engine; exit(not engine.available())" ||
    { echo "error: the engine is not compiled; see $venv/install.log." >&2; exit 1; }
step ruff check .
step ruff format --check .
step mypy
# Through Python, so that the repository is on the path whatever is installed.
step python -m pytest -q --system --durations=15 --threads "$OMP_NUM_THREADS" "$@"
