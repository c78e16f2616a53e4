#!/usr/bin/env bash
# All checks and all tests; makes the virtual environment if there is none.
#
#   bash tests/run.sh [PYTEST_OPTION ...]         e.g. bash tests/run.sh -k layering
#
# VQ_NAT_TEST_WORKERS   processes that test side by side, of one thread each; default: 2.
#                       With 1, as with `-p no:xdist`, pytest does all by itself.
# OMP_NUM_THREADS       threads of a process; default: 1, or 2 where there is but one.
# VQ_NAT_TEST_WHEEL     if it is set, the wheel is built and tried as well: tests/wheel.sh,
#                       with what is compiled already.
# VQ_NAT_VENV, PYTHON and VQ_NAT_TORCH are those of examples/install.sh.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${VQ_NAT_VENV:-$PWD/.venv}
unset PYTHONDONTWRITEBYTECODE  # hundreds of processes would compile all modules again
bash examples/install.sh "$venv"
venv=$(cd "$venv" && pwd)
workers=${VQ_NAT_TEST_WORKERS:-2}
[[ " $* " != *no:xdist* ]] || workers=1
export PATH="$venv/bin:$PATH" OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((workers > 1 ? 1 : 2))}

step() { echo "tests: $*"; "$@"; }

# Tests of the engine are skipped where it is missing: here it must be there.
python -c "from vq_nat import engine; exit(not engine.available())" ||
    { echo "error: the engine is not compiled; see $venv/install.log." >&2; exit 1; }
step ruff check .
step ruff format --check .

# Types are checked meanwhile: mypy has one process, and the tests wait now and then.
checks=$(mktemp)
trap 'rm -f "$checks"' EXIT
check() {
    local failed=0
    step mypy || failed=1
    [[ -z ${VQ_NAT_TEST_WHEEL:-} ]] || OBJECTS=build step bash tests/wheel.sh || failed=1
    return "$failed"
}
check >"$checks" 2>&1 &
checking=$!

# Files go to one process each, so that a fixture is made once; long ones come first.
tests=(-q --system --durations=15 --threads "$OMP_NUM_THREADS")
tests+=(-o "testpaths=tests/system tests/integration tests/unit")
((workers == 1)) || tests+=(-n "$workers" --dist loadfile --no-loadscope-reorder)
failed=0
# Through Python, so that the repository is on the path whatever is installed.
step python -m pytest "${tests[@]}" "$@" || failed=$?
wait "$checking" || failed=1
cat "$checks"
exit "$failed"
