#!/usr/bin/env bash
# Builds source distribution and wheel, installs the wheel and translates with it.
#
#   bash tests/wheel.sh [OUT]      where the two files go (default: they are not kept)
#   WHEEL=FILE bash tests/wheel.sh     one that was built before
#   OBJECTS=build bash tests/wheel.sh  links the engine from what is compiled there
#
# The first environment is fresh, with what the extra `engine` names and no torch: an
# exported model translates. The second borrows torch and fairseq from the Python that
# runs this (PYTHON, default python): checkpoints do, and fairseq's own command.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$(command -v "${PYTHON:-python}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
models=$root/tests/data/0.1.0
unset PYTHONPATH

step() { echo "wheel: $*"; }
fail() { echo "error: $*" >&2; exit 1; }

# pip works from outside: putting it into each environment takes longer than the tests.
pip_in() {  # ENVIRONMENT REQUIREMENT ...
    "$python" -m pip --disable-pip-version-check --python "$work/$1" install -q \
        --no-compile "${@:2}"
}

install() {  # ENVIRONMENT: the wheel alone
    "$python" -m venv --without-pip "$work/$1"
    pip_in "$1" --no-deps "$wheel"
}

build() {  # all anew, in an environment of its own
    "$python" -m build --outdir "$work/dist" "$root"
}

# From a copy: setuptools would work in the tree itself, where tests may run meanwhile.
link() {  # the source distribution, and the wheel from it and from OBJECTS
    mkdir -p "$work/copy" "$work/unpacked/build" &&
        tar -c -C "$root" --exclude='*.so' --exclude=__pycache__ vq_nat data_prep \
            examples tests .ci setup.py pyproject.toml MANIFEST.in CHANGELOG.md \
            CITATION.cff LICENSE README.md | tar -x -C "$work/copy" &&
        (cd "$work/copy" && "$python" setup.py -q sdist --dist-dir "$work/dist") &&
        tar -xzf "$work"/dist/*.tar.gz -C "$work/unpacked" --strip-components 1 &&
        cp -rp "$OBJECTS"/temp.* "$work/unpacked/build/" &&
        "$python" -m pip wheel --disable-pip-version-check --no-deps \
            --no-build-isolation --wheel-dir "$work/dist" "$work/unpacked"
}

translates() {  # ENVIRONMENT MODEL: as the version that made the model did
    "$work/$1/bin/python" - "$models/expected.json" "$2" <<'PYTHON'
import json, subprocess, sys
from pathlib import Path

expected = json.loads(Path(sys.argv[1]).read_text())
command = Path(sys.executable).with_name("vq-nat")
model = Path(sys.argv[1]).with_name(sys.argv[2])
text = "\n".join(expected["lines"]) + "\n"
run = subprocess.run([command, "translate", model], input=text, text=True,
                     stdout=subprocess.PIPE, check=True)
wanted = [line for line, *_ in expected[sys.argv[2]]]
sys.exit(run.stdout.splitlines() != wanted and f"{wanted} became {run.stdout!r}.")
PYTHON
}

wheel=${WHEEL:+$(realpath "$WHEEL")}
if [[ -z $wheel ]]; then
    step "build"
    maker=build
    [[ -z ${OBJECTS:-} ]] || { maker=link; OBJECTS=$(realpath "$OBJECTS"); }
    $maker >"$work/build.log" 2>&1 ||
        { tail -n 30 "$work/build.log" >&2; fail "the build failed."; }
    wheel=$(echo "$work"/dist/*.whl)
    [[ -z ${1:-} ]] || { mkdir -p "$1" && cp "$work"/dist/* "$1/"; }
fi
content=$("$python" -m zipfile -l "$wheel")
for file in vq_nat/py.typed vq_nat/engine/_engine.; do
    [[ $content == *"$file"* ]] || fail "$wheel must hold $file, but does not."
done
cd "$work"  # away from the sources

step "engine alone"
install engine
"$work/engine/bin/python" - >"$work/needs" <<'PYTHON'
from importlib.metadata import requires

parts = [line.partition(";") for line in requires("vq-nat")]
print(*(need for need, _, when in parts if "engine" in when), sep="\n")
PYTHON
pip_in engine -r "$work/needs"
"$work/engine/bin/python" -c "import importlib.util as u; exit(bool(u.find_spec('torch')))" ||
    fail "torch must not be there."
translates engine exported

step "torch and fairseq"
install borrowed
site="import sysconfig; print(sysconfig.get_path('purelib'))"
"$python" -c "$site" >"$("$work/borrowed/bin/python" -c "$site")/borrowed.pth"
for model in checkpoint packed exported; do translates borrowed "$model"; done
user_dir=$("$work/borrowed/bin/vq-nat" where)
[[ $user_dir == "$work"/borrowed/* ]] || fail "$user_dir must be the wheel's."
echo "a b c" | "$work/borrowed/bin/python" -m fairseq_cli.interactive "$models/packed" \
    --user-dir "$user_dir" --task discrete_latent_translation --cpu \
    --source-lang en --target-lang de --iter-decode-max-iter 0 \
    --path "$models/packed/model.safetensors" >"$work/found" 2>"$work/log" &&
    grep -q "^H-0" "$work/found" || { tail -n 9 "$work/log" >&2; fail "fairseq-interactive found nothing."; }
step "$(basename "$wheel") works, $(stat -c %s "$wheel") bytes"
