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
    "vq_nat.writing",
)  # for every room: the standard library alone
HOUSES = ("vq_nat", "data_prep", "examples")
STAGE = "nn.* translation.flow translation.config translation.layers | torch fairseq"
DESCRIBED = "fairseq_side.checkpoints fairseq_side.compat fairseq_side.packed "

# Module | what it may import: of the package | of all that is installed (without a
# second bar: anything). The first pattern that fits a module counts. `bottleneck` alone
# is that room's door; `x.*` is all that is in it, `x*` the room and all that is in it.
# Names of vq_nat stand without it. A command imports no other command, but for what it
# repeats of one. What nobody needs is not allowed.
TABLE = {
    "": "image translation translation.translator engine.folder engine.runtime hub | ",
    "hub": "| huggingface_hub",
    "translated": "text.lines inspected | ",  # what every translator takes and gives
    "inspected": "| ",
    "extras": "| ",
    "files": "| ",
    "autocasts": "| ",
    "languages": "| ",
    "processes": "| ",
    "registry": "| ",
    "writing": "| ",
    "light": "| ",
    "bottleneck*": "bottleneck.* | torch",
    "nn*": "nn.dropout | torch fairseq",
    "fairseq_side*": "fairseq_side.* bottleneck | torch fairseq numpy omegaconf "
    "safetensors",
    "translation.schedule": "| torch",
    "translation.noise": "| torch",
    "translation.teacher_start": "| torch",
    "translation.flow": "bottleneck | torch",
    "translation.config": "bottleneck | fairseq omegaconf",
    "translation.idle": "translation.config | ",
    "translation.layers": "nn.dropout | torch fairseq",
    "translation.encoder": STAGE,
    "translation.compressor": STAGE,
    "translation.predictor": STAGE,
    "translation.decoder": STAGE,
    "translation.binding": "fairseq_side.compat | ",
    "translation.scores": "| sacrebleu",
    "translation.validation": "translation.scores | torch fairseq sacrebleu",
    "translation.codec": "text.codec | torch",
    "translation.decoding.options": "| ",
    "translation.decoding*": "translation.flow translation.decoding.* inspected | "
    "torch fairseq",
    "translation.criterion": "fairseq_side.training translation.flow | torch fairseq",
    "translation.risk": "fairseq_side.compat fairseq_side.training translation.flow "
    "translation.criterion translation.decoding.* | torch fairseq",
    "translation.model": "bottleneck fairseq_side.compat translation.flow "
    "translation.config translation.encoder translation.compressor "
    "translation.predictor translation.decoder translation.schedule translation.noise "
    "translation.binding translation.idle translation.teacher_start "
    "| torch fairseq omegaconf",
    "translation.architectures": "translation.config translation.model | fairseq",
    "translation.aligned": "translation.flow translation.config translation.model "
    "translation.decoder translation.word_codes | torch",
    "translation.word_codes": "bottleneck translation.flow translation.config "
    "translation.model translation.predictor translation.decoder | torch",
    "translation.onnx.export": "bottleneck fairseq_side.checkpoints text.copying "
    "translation.about translation.binding translation.config "
    "translation.decoding.search translation.flow translation.loading "
    "translation.model translation.onnx.* translation.pack translation.translator "
    "| torch fairseq",
    "translation.onnx.quantize": "engine.packing translation.onnx.runtime | numpy",
    "translation.onnx*": "nn.transformer translation.flow translation.layers "
    "translation.model translation.predictor translation.decoding.limits "
    "translation.onnx.* | torch numpy",
    "translation.about": f"{DESCRIBED} translation.flow results.card results.report "
    "| torch",
    "translation.pack": f"{DESCRIBED} translation.about translation.binding "
    "translation.loading results.card text.copying | fairseq",
    "translation.export": "fairseq_side.checkpoints translation.about translation.pack "
    "translation.binding translation.loading engine.export engine.folder | ",
    "translation.fairseq_nat": "fairseq_side.compat fairseq_side.patches "
    "translation.binding translation.validation translation.flow "
    "translation.decoding.* translation.teacher_start | torch fairseq",
    "translation.ctranslate2": "fairseq_side.checkpoints fairseq_side.compat "
    "translation.binding translation.codec translation.loading "
    "| torch fairseq ctranslate2",
    "translation.task": "fairseq_side.compat fairseq_side.training translation.binding "
    "translation.validation translation.flow translation.decoding.* "
    "| torch fairseq numpy sacrebleu",
    "translation.loading": "fairseq_side.* translation.binding translation.codec "
    "translation.fairseq_nat translation.task translation.onnx.runtime | fairseq",
    "translation.translator": "translated inspected translation.binding "
    "translation.codec translation.config translation.decoding.* "
    "translation.fairseq_nat translation.flow translation.loading translation.task "
    "| torch fairseq",
    "translation": "translation.* fairseq_side.patches | ",
    "image*": "image.* bottleneck nn.* fairseq_side.* | torch fairseq numpy omegaconf "
    "PIL pyarrow scipy tqdm",
    "text*": "text.* | sacremoses sentencepiece sentencex",
    # Neither torch nor fairseq at run time: `weights` reads a model's attributes.
    "engine.refusals": "text.codec translation.decoding.options | ",
    "engine.runtime": "engine engine.* text.* translated inspected light "
    "translation.decoding.options | ",
    "engine*": "engine engine.* text.* | numpy",
    "results*": "results.* | ",
    "explain.picture": "translated inspected | ",  # of what serves without torch
    "explain*": "explain.* translation.translator | torch",
    # No torch: an exported model is served without it.
    "serve*": "serve.* translated inspected text.sentences explain.picture | fastapi "
    "starlette uvicorn pydantic prometheus_client babel py3langid",
    "bench*": "bench.* engine engine.folder engine.weights image.* results.* "
    "text.lines text.renderings translation.criterion translation.ctranslate2 "
    "translation.decoding.generator translation.decoding.options translation.export "
    "translation.flow translation.loading translation.onnx.export "
    "translation.onnx.runtime translation.scores translation.translator "
    "| torch fairseq sacrebleu comet matplotlib PIL",
    "cli*": "cli.* light translated text.lines engine.folder image.sampling bench.* "
    "results.diagnosis results.report results.rows explain.* serve.* "
    "translation.decoding.options translation.export translation.flow "
    "translation.loading translation.onnx.export translation.pack | torch tqdm",
    "data_prep.lib*": "data_prep.lib.* results.checking results.versions text.lines "
    "text.folder text.quotes text.renderings text.subwords fairseq_side.compat "
    "fairseq_side.guard fairseq_side.saving image translation translation.binding "
    "translation.ctranslate2 translation.scores",
    "data_prep*": "data_prep.lib.*",
    "examples.lib*": "examples.lib.* data_prep.lib.* bench.* cli.arguments results.* "
    "bottleneck "
    "nn.fingerprint fairseq_side.compat image image.* engine engine.* translation "
    "translation.*",
    "examples.paper_table*": "examples.lib.* examples.paper_table.* data_prep.lib.* "
    "data_prep.train_teacher bench.* results.*",
    "examples*": "examples.lib.* data_prep.lib.* bench.* results.* bottleneck "
    "nn.transformer fairseq_side.* image image.* text.* engine engine.* translation "
    "translation.* inspected translated",
}
MOST_ARROWS = 28  # a room imports another; fewer are better
# The engine reads the options' one home, a module of the standard library alone; all
# other arrows go one way.
BOTH_WAYS = {("engine", "translation"), ("translation", "engine")}


def row(module: str) -> tuple[list[str], list[str] | None] | None:
    """Returns what a module may import: of the package, and else (None: anything)."""
    pattern = pattern_of(module)
    if pattern is None:
        return None
    inside, bar, outside = TABLE[pattern].partition("|")
    return inside.split(), outside.split() if bar else None


def pattern_of(module: str) -> str | None:
    """Returns the pattern whose row is a module's, None if it has none."""
    return next((p for p in TABLE if fnmatch(inner(module), p)), None)


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


def unused(root: Path) -> list[str]:
    """Lists what the table allows and no module needs."""
    paths = source_files(root)
    known = {module_name(path, root) for path in paths}
    needed: dict[str, set[str]] = {pattern: set() for pattern in TABLE}
    for path in paths:
        pattern = pattern_of(module_name(path, root))
        if pattern is not None:
            needed[pattern] |= {
                inner(name) if name.partition(".")[0] in HOUSES else name
                for _, name in imports(path, root, known)
                if name not in COMMON
            }
    sentences = []
    for pattern, names in needed.items():
        inside, _, outside = TABLE[pattern].partition("|")
        packages = {name.partition(".")[0] for name in names}
        idle = [p for p in inside.split() if not any(fnmatch(n, p) for n in names)]
        idle += [package for package in outside.split() if package not in packages]
        sentences += [f"{pattern or 'vq_nat'} need not import {one}." for one in idle]
    return sentences


def arrows(root: Path) -> set[tuple[str, str]]:
    """Returns the pairs of rooms of which the first imports the second."""
    paths = source_files(root)
    known = {module_name(path, root) for path in paths}
    doors = (root / "vq_nat").glob("*/__init__.py")
    rooms = {door.parent.name for door in doors}
    pairs = {
        (room_of(module_name(path, root)), room_of(name))
        for path in paths
        for _, name in imports(path, root, known)
    }
    return {(a, b) for a, b in pairs if a != b and {a, b} <= rooms}


def room_of(name: str) -> str:
    """Returns the room of vq_nat that a module stands in, "" if in none."""
    house, _, rest = name.partition(".")
    return rest.partition(".")[0] if house == "vq_nat" else ""


def test_all_keep_the_table() -> None:
    assert not violations(REPOSITORY)


def test_the_table_allows_what_is_needed_and_no_more() -> None:
    assert not unused(REPOSITORY)


def test_a_permission_that_nobody_needs_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TABLE, "registry", "text.lines files | numpy")
    assert unused(REPOSITORY) == [
        f"registry need not import {name}." for name in ("text.lines", "files", "numpy")
    ]


def test_few_arrows_join_the_rooms_and_they_go_one_way() -> None:
    joined = arrows(REPOSITORY)
    assert len(joined) <= MOST_ARROWS, sorted(joined)
    assert {(a, b) for a, b in joined if (b, a) in joined} == BOTH_WAYS


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
        ("bench/timing", "from ..bottleneck import perplexity"),
        ("bench/timing", "from ..fairseq_side.checkpoints import checkpoint_path"),
        ("bench/timing", "from ..explain.inventory import count_codes"),
        ("bench/timing", "from ..serve import run"),
        ("explain/inventory", "from ..results.rows import Row"),
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


def test_an_arrow_is_an_import_of_one_room_by_another(tree: Path) -> None:
    assert not arrows(tree)
    house = tree / "vq_nat"
    (house / "bench/timing.py").write_text("from ..image import pixels\nimport os")
    (house / "image/pixels.py").write_text("from . import data\nimport vq_nat")
    (house / "hub.py").write_text("from .text import lines")  # stands in no room
    (house / "nn/dropout.py").write_text("def f():\n    from ..text import lines")
    assert arrows(tree) == {("bench", "image"), ("nn", "text")}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("translation/encoder", "from ..nn.transformer import Attention"),
        ("translation/encoder", "from .flow import x"),
        ("translation/flow", "from ..bottleneck import BottleneckOutput"),
        ("translation/model", "from . import encoder, decoder"),
        ("translation/task", "from .decoding.build import x\nimport fairseq"),
        ("bottleneck/__init__", "from . import assign\nimport torch.nn, math"),
        ("image/__init__", "from ..bottleneck import build_bottleneck\nimport torch"),
        ("bench/timing", "from ..image.sampling import PLAIN\nimport torch"),
        ("cli/main", "from ..bench import systems\nfrom .. import load"),
        ("__init__", "from . import image, translation"),
        ("../data_prep/lib/pool", "from data_prep.lib import teachers"),
        ("../examples/quickstart", "from data_prep.lib.steps import x\nimport vq_nat"),
        ("../examples/paper_table/plan", "from examples.lib import places"),
    ],
)
def test_a_lawful_import_is_not(tree: Path, name: str, line: str) -> None:
    (tree / "vq_nat" / f"{name}.py").write_text(line)
    assert violations(tree) == []
