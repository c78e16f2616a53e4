#!/usr/bin/env bash
# Installs vq-nat and all it needs into a virtual environment, in place (pip -e).
#
#   bash examples/install.sh [VENV]      then: . VENV/bin/activate
#
# VENV           default: $VQ_NAT_VENV or, without it, .venv in the repository; made if
#                there is none. An installation that is up to date is left alone.
# PYTHON         makes the environment: Python 3.11 or later; default: python3
# VQ_NAT_TORCH   the torch to ask for; default: torch==2.13.0. A torch >= 2.6 that is in
#                the environment already stays as it is.
set -euo pipefail

case ${1:-} in
    -h|--help) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) echo "error: $1 is not an option; see --help." >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${1:-${VQ_NAT_VENV:-$root/.venv}}
python=$venv/bin/python
torch=${VQ_NAT_TORCH:-torch==2.13.0}
stamp=$venv/.vq-nat-installed
log=$venv/install.log
export MAX_JOBS=${MAX_JOBS:-2}  # compilers that run at a time
export CFLAGS="-g0 ${CFLAGS:-}"  # with what debuggers read, fairseq takes twice as long
# Of 15,000 files a few thousand are ever imported: Python compiles those when they are.
bytecode=--no-compile
[[ -z ${PYTHONDONTWRITEBYTECODE:-} ]] || bytecode=--compile

fail() { echo "error: $1" >&2; exit 1; }

# What was installed: these two files, the engine's sources, which are compiled, and, as
# it is in place, the repository's path.
digest() {
    "$python" - "$root" <<'PYTHON'
import hashlib, pathlib, sys

root = pathlib.Path(sys.argv[1])
files = [root / name for name in ("setup.py", "examples/install.sh")]
files += sorted((root / "vq_nat" / "engine" / "src").glob("*"))
content = b"".join(path.read_bytes() for path in files)
print(hashlib.sha256(content + str(root).encode()).hexdigest())
PYTHON
}

requirement() { # NAME: its line in setup.py
    local line
    line=$(sed -n "s/^ *\"\($1[<>=][^\"]*\)\".*/\1/p" "$root/setup.py")
    [[ -n $line ]] || fail "setup.py must require $1, but does not."
    echo "$line"
}

has_torch() {
    "$python" - <<'PYTHON' 2>>"$log"
import importlib.metadata as metadata, sys

major, minor = metadata.version("torch").split(".")[:2]
sys.exit((int(major), int(minor)) < (2, 6))
PYTHON
}

has_fairseq() {
    "$python" -c "import importlib.metadata as m, sys
sys.exit(m.version('fairseq-fixed') != '${fairseq#*==}')" 2>>"$log"
}

step() { echo "install: $*"; }

pip_install() {
    "$python" -m pip install --disable-pip-version-check "$bytecode" "$@" \
        >>"$log" 2>&1 && return
    tail -n 30 "$log" >&2
    fail "pip install $* failed; all it said is in $log."
}

# Compilers work while packages come; what they say joins the log when they are done.
aside() { # NAME COMMAND ...: starts it; `wait_for NAME` returns its status
    local name=$1
    "${@:2}" >"$venv/$name.log" 2>&1 &
    running[$name]=$!
}

wait_for() {
    local status=0
    wait "${running[$1]}" || status=$?
    unset "running[$1]"
    cat "$venv/$1.log" >>"$log" && rm "$venv/$1.log"
    return "$status"
}

# ------------------------------------------------------------------ environment
if [[ ! -x $python ]]; then
    maker=${PYTHON:-python3}
    "$maker" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "PYTHON must be Python 3.11 or later, but is $maker instead."
    step "virtual environment $venv"
    "$maker" -m venv "$venv"
fi
if [[ -e $stamp && $(<"$stamp") == "$(digest)" ]]; then
    step "$venv is up to date"
    exit 0
fi
rm -f "$stamp"
venv=$(cd "$venv" && pwd)
python=$venv/bin/python

# ------------------------------------------------------------------ packages
numpy=$(requirement numpy)
pybind11=$(requirement pybind11)  # compiles our engine
fairseq=$(requirement fairseq-fixed)
PATH=$venv/bin:$PATH  # where the build looks for ninja
declare -A running=()
built=$(mktemp -d)
trap 'rm -rf "$built"; ((${#running[@]} == 0)) || kill "${running[@]}" || true' EXIT
step "build tools (cython, ninja, $numpy, $pybind11, setuptools, wheel)"
# A setuptools that torch takes: it would be exchanged while the engine compiles.
pip_install cython ninja "$numpy" "$pybind11" "setuptools>=77" wheel
# It waits for nobody, but all wait for fairseq: whose compiler comes first, therefore.
compile_engine() { cd "$root" && nice "$python" setup.py -q build_ext; }
aside engine compile_engine
if has_torch; then
    step "torch is there already"
else
    step "$torch"
    pip_install "$torch"
fi
if has_fairseq; then
    step "$fairseq is there already"
    aside fairseq true
else
    step "$fairseq (compiled against torch, takes minutes)"
    aside fairseq "$python" -m pip wheel --disable-pip-version-check --no-deps \
        --no-build-isolation --wheel-dir "$built" "$fairseq"
fi
step "vq-nat with its extras demo and dev"
wait_for engine || true  # the next line tries again, and goes on without
pip_install --no-build-isolation -e "$root[demo,dev]"
step "its extra fairseq"
wait_for fairseq || { tail -n 30 "$log" >&2; fail "$fairseq does not compile: see $log."; }
pip_install --no-build-isolation --find-links "$built" "vq-nat[fairseq]"
(cd "$root" && "$python" -c "from vq_nat import engine; exit(not engine.available())") ||
    step "without our engine, which could not be compiled: see $log"
digest >"$stamp"
step "done; use it with: . $venv/bin/activate"
