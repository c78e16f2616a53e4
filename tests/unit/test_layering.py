"""Who may import whom, held for every import of the package and of its scripts.

This is about files, not about running code: nothing of the package is imported here.
"""

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMMON = (
    "vq_nat",
    "vq_nat.extras",
    "vq_nat.autocasts",
    "vq_nat.files",
    "vq_nat.languages",
    "vq_nat.processes",
    "vq_nat.registry",
)  # for every room: the standard library alone
HOUSES = ("vq_nat", "data_prep", "examples")
STAGE = "nn.* translation.flow translation.config translation.layers | torch fairseq"
SEARCH = "fairseq_side.* translation.flow translation.config translation.decoding*"
FRONT = f"bottleneck nn.* {SEARCH} translation.binding translation.codec "
FRONT += "translation.validation translation.fairseq_nat text.lines"
MEASURED = (
    "bench* results* explain* fairseq_side* translation* image* nn.* bottleneck text* "
    "engine*"
)

# Module | what it may import: of the package | of all that is installed (without a
# second bar: anything). The first pattern that fits a module counts. `bottleneck` alone
# is that room's door; `x*` is a room and all that is in it. Names of vq_nat stand
# without it. A command imports no other command, but for what it repeats of one.
TABLE = {
    "": "image* translation translation.translator engine.folder engine.runtime hub",
    "hub": "| huggingface_hub",
    "translated": "text.lines inspected |",  # what every translator takes and gives
    "inspected": "| ",
    "extras": "| ",
    "files": "| ",
    "autocasts": "| ",
    "languages": "| ",
    "processes": "| ",
    "registry": "| ",
    "light": "| ",
    "bottleneck*": "bottleneck* | torch",
    "nn*": "nn.* | torch fairseq",
    "fairseq_side*": "fairseq_side* bottleneck | torch fairseq numpy omegaconf hydra "
    "safetensors",
    "translation.schedule": "| torch",
    "translation.noise": "| torch",
    "translation.teacher_start": "| torch",
    "translation.flow": "bottleneck fairseq_side.compat",
    "translation.config": "bottleneck fairseq_side.compat",
    "translation.layers": "nn.* translation.flow translation.config",
    "translation.encoder": STAGE,
    "translation.compressor": STAGE,
    "translation.predictor": STAGE,
    "translation.decoder": STAGE,
    "translation.binding": "fairseq_side.compat | ",
    "translation.scores": "| sacrebleu",
    "translation.validation": "translation.scores | torch fairseq sacrebleu",
    "translation.codec": "text.codec | torch",
    "translation.decoding.options": "| ",
    "translation.decoding*": f"{SEARCH} inspected",
    "translation.criterion": f"{SEARCH} bottleneck",
    "translation.risk": f"{SEARCH} translation.criterion",
    "translation.model": f"bottleneck {STAGE.split('|')[0]} fairseq_side.compat "
    "translation.encoder translation.compressor translation.predictor "
    "translation.decoder translation.schedule translation.noise translation.binding "
    "translation.teacher_start",
    "translation.architectures": "translation.config translation.model | fairseq",
    "translation.aligned": f"{SEARCH} translation.model translation.decoder "
    "translation.word_codes | torch",
    "translation.word_codes": f"bottleneck {SEARCH} translation.model "
    "translation.predictor translation.decoder | torch",
    "translation.onnx.export": f"{FRONT} translation.onnx* translation.model "
    "translation.about translation.pack text.copying "
    "translation.loading "
    "translation.translator | torch fairseq",
    "translation.onnx.quantize": "engine.packing translation.onnx.runtime | numpy",
    "translation.about": "fairseq_side.* translation.flow results.card results.report",
    "translation.pack": "fairseq_side.* translation.about translation.binding "
    "translation.loading results.card text.copying",
    "translation.export": "fairseq_side.checkpoints translation.about translation.pack "
    "translation.binding translation.loading engine.export engine.folder",
    "translation.onnx*": f"nn.* {SEARCH} translation.layers translation.model "
    "translation.predictor translation.onnx*",
    "translation.fairseq_nat": f"translation.binding translation.validation {SEARCH} "
    "translation.teacher_start",
    "translation.ctranslate2": "engine.folder fairseq_side.* translation.codec "
    "translation.binding translation.loading",
    "translation.task": f"{FRONT} translation.loading",
    "translation.loading": f"{FRONT} translation.task translation.onnx.runtime",
    "translation.translator": f"{FRONT} translation.loading translation.task "
    "translation.onnx.runtime translated inspected",
    "translation": "translation.* fairseq_side.patches",
    "image*": "image* bottleneck nn.* fairseq_side.* ",
    "text*": "text* | sacremoses sentencepiece sentencex",
    # Neither torch nor fairseq at run time: `weights` reads a model's attributes.
    "engine.runtime": "engine* text* translated inspected light "
    "translation.decoding.options | ",
    "engine*": "engine* text* | numpy",
    "results*": "results* | ",
    "explain.picture": "translated inspected | ",  # of what serves without torch
    "explain*": "explain* results.* translation.*",
    # No torch: an exported model is served without it.
    "serve*": "serve* translated inspected text.sentences explain.picture | fastapi "
    "starlette uvicorn pydantic prometheus_client babel py3langid",
    "bench*": "*",
    "cli*": "cli* light translated text.lines engine.folder bench* results* explain* "
    "serve* translation.* image.sampling",
    "data_prep.lib*": "data_prep.lib* results.* text.lines text.folder text.quotes "
    "text.subwords "
    "fairseq_side.* image translation translation.binding translation.ctranslate2 "
    "translation.scores",
    "data_prep*": "data_prep.lib.* results.*",
    "examples.lib*": f"examples.lib* data_prep.lib.* {MEASURED}",
    "examples.paper_table*": f"examples.lib.* examples.paper_table.* data_prep.lib.* "
    f"data_prep.train_teacher {MEASURED}",
    "examples*": f"examples.lib examples.lib.* data_prep* inspected translated "
    f"{MEASURED}",
}


def row(module: str) -> tuple[list[str], list[str] | None] | None:
    """Returns what a module may import: of the package, and else (None: anything)."""
    name = inner(module)
    for pattern, allowed in TABLE.items():
        if fnmatch(name, pattern):
            inside, bar, outside = allowed.partition("|")
            return inside.split(), outside.split() if bar else None
    return None


def inner(name: str) -> str:
    """Returns the name of a module as the table has it."""
    return name.removeprefix("vq_nat").removeprefix(".")


def module_name(path: Path, root: Path) -> str:
    """Turns root/a/b.py into a.b, and root/a/__init__.py into a."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, root: Path, known: set[str]) -> Iterator[tuple[int, str]]:
    """Yields line and absolute name of every import, in functions as well."""
    here = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) + 1 - node.level] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            for alias in node.names:  # a module's name, or a name in a module
                name = f"{base}.{alias.name}"
                yield node.lineno, name if name in known else base


def lawful(module: str, name: str) -> bool:
    """Tells whether a module may import a name."""
    inside, outside = row(module) or ([], [])
    package = name.partition(".")[0]
    if package in HOUSES:
        named = [p for p in inside if package == "vq_nat" or p.startswith(package)]
        return name in COMMON or any(fnmatch(inner(name), p) for p in named)
    return package in sys.stdlib_module_names or outside is None or package in outside


def source_files(root: Path) -> list[Path]:
    """Returns all that the table is about."""
    return sorted(path for house in HOUSES for path in (root / house).rglob("*.py"))


def violations(root: Path) -> list[str]:
    """Lists what breaks the table below a folder that holds the houses."""
    paths = source_files(root)
    known = {module_name(path, root) for path in paths}
    sentences = []
    for path in paths:
        module = module_name(path, root)
        if row(module) is None:
            sentences.append(f"{module} must have a row in the table, but has none.")
            continue
        sentences += [
            f"{path.relative_to(root)}:{line}: {module} must not import {name}."
            for line, name in imports(path, root, known)
            if not lawful(module, name)
        ]
    return sentences


def test_all_keep_the_table() -> None:
    assert not violations(REPOSITORY)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files, empty."""
    for path in source_files(REPOSITORY):
        copy = tmp_path / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("translation/encoder", "from .decoder import ParallelDecoder"),
        ("translation/encoder", "from . import decoder"),
        ("translation/encoder", "import vq_nat.translation.model as model"),
        ("translation/encoder", "def f():\n    from .criterion import code_nll"),
        ("translation/encoder", "from .decoding.search import search"),
        ("translation/flow", "from ..bottleneck.assign import one_hot"),
        ("translation/flow", "from .layers import Positions"),
        ("nn/transformer", "from ..translation.layers import Positions"),
        ("translation/model", "from .criterion import code_nll"),
        ("translation/model", "from ..bottleneck import assign"),
        ("translation/model", "from .decoding.search import search"),
        ("translation/decoding/options", "import torch"),
        ("translation/criterion", "from .encoder import SourceEncoder"),
        ("translation/criterion", "from .model import VQEMTransformer"),
        ("translation/decoding/search", "from ..predictor import LatentPredictor"),
        ("translation/task", "from .model import VQEMTransformer"),
        ("translation/layers", "from .encoder import SourceEncoder"),
        ("translation/encoder", "from ..fairseq_side.training import log_bottleneck"),
        ("fairseq_side/training", "from ..translation import flow"),
        ("bottleneck/assign", "import fairseq"),
        ("bottleneck/assign", "import numpy"),
        ("bottleneck/assign", "from ..fairseq_side import compat"),
        ("bottleneck/__init__", "from ..translation import flow"),
        ("fairseq_side/compat", "from ..translation import flow"),
        ("image/__init__", "from ..translation import flow"),
        ("image/__init__", "from ..bottleneck.assign import one_hot"),
        ("translation/task", "from .. import bench"),
        ("results/rows", "from ..bench import timing"),
        ("__init__", "from .bench import timing"),
        ("explain/picture", "import torch"),
        ("attic", ""),  # a module without a row
        ("bench/__init__", "import data_prep.lib.text"),
        ("cli/main", "from examples.lib import places"),
        ("../data_prep/verify", "from data_prep import distill"),
        ("../data_prep/lib/text", "from data_prep.prepare import main"),
        ("../data_prep/lib/text", "from vq_nat import bench"),
        ("../data_prep/verify", "from examples.lib import places"),
        ("../examples/lib/places", "from examples import quickstart"),
        ("../examples/robustness", "from examples import quickstart"),
        ("../examples/quickstart", "from examples.paper_table import plan"),
        ("../examples/paper_table/plan", "from data_prep import distill"),
    ],
)
def test_a_forbidden_import_is_found(tree: Path, name: str, line: str) -> None:
    (tree / "vq_nat" / f"{name}.py").write_text(line)
    assert len(violations(tree)) == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("translation/encoder", "from ..nn.transformer import Attention"),
        ("translation/encoder", "from .flow import x"),
        ("translation/flow", "from ..bottleneck import BottleneckOutput"),
        ("translation/model", "from . import encoder, decoder"),
        ("translation/task", "from ..bottleneck import Bottleneck\nimport fairseq"),
        ("bottleneck/__init__", "from . import assign\nimport torch.nn, math"),
        ("image/__init__", "from ..bottleneck import build_bottleneck\nimport torch"),
        ("bench/__init__", "from ..fairseq_side.training import bottlenecks"),
        ("cli/main", "from .. import bench, load"),
        ("__init__", "from . import image, translation"),
        ("../data_prep/lib/pool", "from data_prep.lib import teachers"),
        ("../examples/quickstart", "from data_prep.lib.steps import x\nimport vq_nat"),
        ("../examples/paper_table/plan", "from examples.lib import places"),
    ],
)
def test_a_lawful_import_is_not(tree: Path, name: str, line: str) -> None:
    (tree / "vq_nat" / f"{name}.py").write_text(line)
    assert violations(tree) == []
