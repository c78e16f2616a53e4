"""An installation without extras: torch alone is enough for the bottleneck."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vq_nat.extras import EXTRAS, missing

REPOSITORY = Path(__file__).resolve().parents[2]
# Refuses every package but torch and what torch requires.
BLOCK = """
import importlib.metadata as metadata, re, sys

needed, queue = set(), ["torch"]
while queue:
    name = queue.pop().lower().replace("-", "_")
    if name not in needed:
        needed.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        queue += [re.match(r"[\\w.-]+", l)[0] for l in lines if "extra ==" not in l]
modules = {module for module, names in metadata.packages_distributions().items()
           if {n.lower().replace("-", "_") for n in names} & needed}

class Wall:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | modules | {"vq_nat"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Wall())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code where there is torch alone."""
    command = [sys.executable, "-W", "ignore", "-c", BLOCK + code]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def test_the_bottleneck_learns_where_there_is_torch_alone() -> None:
    done = run(
        "import torch\n"
        "from vq_nat.bottleneck import BottleneckConfig, build_bottleneck\n"
        "config = BottleneckConfig(vq_num_codes=8, vq_init='data', vq_decay=0.9)\n"
        "bottleneck = build_bottleneck(config, 4)\n"
        "z = torch.randn(2, 9, 4)\n"
        "for _ in range(2):\n"
        "    out = bottleneck(z)\n"
        "    bottleneck.m_step()\n"
        "print(out.codes.shape, 'numpy' in sys.modules, 'fairseq' in sys.modules)\n"
        "import vq_nat.cli.main as cli\n"
        "print(cli.main(['translate', '/no/model']))\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["torch.Size([2, 9, 1]) False False", "2"]
    assert "vq-nat: The package fairseq must be installed for this" in done.stderr


PARTS = {"serve": "FOR_SERVICE", "hub": "FOR_HUB"}  # beside `FOR_` and its own name


def literals(name: str) -> list[str]:
    """Returns the texts of a list in setup.py."""
    tree = ast.parse((REPOSITORY / "setup.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            nodes = ast.walk(node.value)
            return [n.value for n in nodes if isinstance(n, ast.Constant)]
    raise LookupError(name)


def test_torch_is_all_that_is_required() -> None:
    assert [re.match(r"\w+", line)[0] for line in literals("REQUIRES")] == ["torch"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_said_to_be_in_an_extra_is_there(extra: str) -> None:
    lines = literals(PARTS.get(extra, f"FOR_{extra.upper()}"))
    own = {re.match(r"[\w-]+", line)[0] for line in lines}
    own -= {"uvloop", "httptools"}  # uvicorn's, which does without
    brought = {"fairseq": {"omegaconf", "hydra"}, "serve": {"starlette", "pydantic"}}
    names = {"fairseq-fixed": "fairseq", "subword-nmt": "subword_nmt", "pyyaml": "yaml"}
    names["prometheus-client"] = "prometheus_client"
    packages = {names.get(name, name) for name in own} | brought.get(extra, set())
    assert packages == set(EXTRAS[extra])


def test_a_package_of_no_extra_is_missing_as_python_says() -> None:
    error = ModuleNotFoundError("No module named 'foo'", name="foo")
    assert missing(error) is error
    inner = ModuleNotFoundError("No module named 'numpy.linalg'", name="numpy.linalg")
    assert "pip install 'vq-nat[engine]'" in str(missing(inner))
