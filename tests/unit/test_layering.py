"""Who may import whom: a row per module, held for every import of the package.

This is about files, not about running code: nothing of the package is imported here.
"""

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ANY = ("*",)
DOOR = "vq_nat.bottleneck"  # the room's door, not the modules behind it
COMPAT = "vq_nat.compat"
TRANSFORMER = "vq_nat.transformer"  # shared by translation and the prior of images
DROPOUT = "vq_nat.dropout"  # of all rooms' layers
OPTIMIZER = "vq_nat.optimizer"  # the host's, faster on a GPU
HOST = "vq_nat.host"  # the host's work around an update
TRAINING = "vq_nat.training"  # fairseq's steps around EM, of all rooms
BELOW_STAGES = ("flow", "config")
STAGES = ("encoder", "compressor", "predictor", "decoder")


class Row(NamedTuple):
    """What a module may import: of the package, and of all that is installed."""

    inside: tuple[str, ...]
    outside: tuple[str, ...] = ANY


def translation(*names: str) -> tuple[str, ...]:
    """Names modules of the translation room."""
    return tuple(f"vq_nat.translation.{name}" for name in names)


def table() -> dict[str, Row]:
    """Returns the rows by pattern; the first pattern that fits a module counts."""
    below = (*translation(*BELOW_STAGES, "layers"), COMPAT, TRANSFORMER, DROPOUT)
    stage = Row(below, ("torch", "fairseq"))
    loss = Row((*translation(*BELOW_STAGES), COMPAT))
    logs = Row((*loss.inside, TRAINING))
    parts = (*STAGES, *BELOW_STAGES, "schedule", "search", "noise", "teacher_start")
    output = ("generator", "lengths", "rescoring", "search", "fairseq_nat")
    front = ("task", "loading", "codec", "exported", *output, *BELOW_STAGES)
    shared = ("criterion", *output, "config", "flow", "model")
    rows = {
        "vq_nat": Row(
            ("vq_nat.image", "vq_nat.translation", *translation("translator"))
        ),
        COMPAT: Row((), ("fairseq", "torch", "numpy", "omegaconf", "hydra")),
        "vq_nat.bottleneck*": Row(("vq_nat.bottleneck*",), ("torch",)),
        # At run time neither torch nor fairseq: `weights` reads a model's attributes.
        "vq_nat.engine*": Row(("vq_nat.engine*", "vq_nat.text*"), ("numpy",)),
        "vq_nat.text*": Row(("vq_nat.text*",), ("sacremoses", "sentencepiece")),
        "vq_nat.translation": Row(translation(*shared, "task", "translator")),
        DROPOUT: Row((), ("torch",)),
        TRANSFORMER: Row((DROPOUT,), ("torch", "fairseq")),
        OPTIMIZER: Row((), ("torch", "fairseq")),
        HOST: Row((), ("torch", "fairseq")),
        TRAINING: Row((DOOR, COMPAT, HOST, OPTIMIZER), ("torch", "fairseq")),
        "vq_nat.image*": Row(
            (DOOR, COMPAT, TRAINING, TRANSFORMER, DROPOUT, "vq_nat.image*")
        ),
        "vq_nat.bench*": Row(("vq_nat*",)),
        "vq_nat.cli": Row(
            (
                "vq_nat",
                "vq_nat.bench*",
                "vq_nat.arguments",
                "vq_nat.cli_image",
                *translation("translator", "export"),
            )
        ),
        "vq_nat.cli_image": Row(
            ("vq_nat.arguments", "vq_nat.bench*", "vq_nat.image.sampling")
        ),
        "vq_nat.arguments": Row((), ("torch",)),
    }
    for name in BELOW_STAGES:
        rows[f"vq_nat.translation.{name}"] = Row((DOOR, COMPAT))
    rows["vq_nat.translation.layers"] = Row(
        (*translation(*BELOW_STAGES), COMPAT, DROPOUT)
    )
    rows["vq_nat.translation.schedule"] = Row(())
    rows["vq_nat.translation.noise"] = Row((), ("torch",))
    rows["vq_nat.translation.teacher_start"] = Row((), ("torch",))
    # Text and dictionaries, no model.
    rows["vq_nat.translation.codec"] = Row(("vq_nat.text.codec",), ("torch",))
    for name in STAGES:
        rows[f"vq_nat.translation.{name}"] = stage
    rows["vq_nat.translation.model"] = Row((*translation(*parts), DOOR, COMPAT))
    rows["vq_nat.translation.criterion"] = logs
    # Below the model, whose `predict` hands its predictor over to be stepped, and below
    # the generator, which says how to search: it knows neither.
    rows["vq_nat.translation.search"] = Row(translation(*BELOW_STAGES), ("torch",))
    rows["vq_nat.translation.drafts"] = Row(translation("flow"), ("torch",))
    rows["vq_nat.translation.lengths"] = Row(translation("flow", "search"), ("torch",))
    best = translation("drafts", "lengths", "search", "rescoring")
    rows["vq_nat.translation.generator"] = Row((*loss.inside, *best))
    rows["vq_nat.translation.rescoring"] = loss
    # What is exported is a model behind the same doors.
    own = (*BELOW_STAGES, "packed", "operators")
    rows["vq_nat.translation.operators"] = Row((), ("torch",))
    parts_of_layers = (*translation("layers", "operators"), TRANSFORMER)
    rows["vq_nat.translation.packed"] = Row(parts_of_layers, ("torch",))
    rows["vq_nat.translation.graphs"] = Row(translation(*own), ("torch",))
    exported = translation(*BELOW_STAGES, "search")
    rows["vq_nat.translation.exported"] = Row(exported, ("torch", "numpy"))
    written = translation("graphs", "exported", "loading", "translator")
    rows["vq_nat.translation.export"] = Row((*written, DOOR), ("torch",))
    # fairseq's own models beside ours: of the room it knows how candidates are ranked.
    nat = Row((*translation("flow", "rescoring", "teacher_start"), COMPAT))
    rows["vq_nat.translation.fairseq_nat"] = nat
    for name in ("task", "loading", "translator"):
        inside = (*translation(*front), DOOR, COMPAT, TRAINING)
        rows[f"vq_nat.translation.{name}"] = Row(inside)
    return rows


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


def allowed(row: Row, name: str) -> bool:
    """Tells whether a row allows an import."""
    package = name.split(".")[0]
    if package == "vq_nat":
        return any(fnmatch(name, pattern) for pattern in row.inside)
    if package in sys.stdlib_module_names:
        return True
    return any(fnmatch(package, pattern) for pattern in row.outside)


def violations(root: Path) -> list[str]:
    """Lists what breaks the table below a folder that holds `vq_nat`."""
    paths = sorted((root / "vq_nat").rglob("*.py"))
    known = {module_name(path, root) for path in paths}
    found = []
    for path in paths:
        module = module_name(path, root)
        row = next((r for p, r in table().items() if fnmatch(module, p)), None)
        if row is None:
            found.append(f"{module} must have a row in the table, but has none.")
            continue
        found += [
            f"{path.relative_to(root)}:{line}: {module} must not import {name}."
            for line, name in imports(path, root, known)
            if not allowed(row, name)
        ]
    return found


def test_the_package_keeps_the_table() -> None:
    assert not violations(REPOSITORY)


FILES = [
    "__init__",
    "cli",
    "compat",
    "transformer",
    "training",
    "bottleneck/__init__",
    "bottleneck/assign",
    "translation/__init__",
    "translation/flow",
    "translation/encoder",
    "translation/decoder",
    "translation/layers",
    "translation/model",
    "translation/criterion",
    "translation/task",
    "image/__init__",
    "bench/__init__",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package of empty files."""
    for name in FILES:
        path = tmp_path / "vq_nat" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("translation/encoder", "from .decoder import ParallelDecoder"),
        ("translation/encoder", "from . import decoder"),
        ("translation/encoder", "import vq_nat.translation.model as model"),
        ("translation/encoder", "def f():\n    from .criterion import code_nll"),
        ("translation/flow", "from ..bottleneck.assign import one_hot"),
        ("translation/flow", "from .layers import Positions"),
        ("transformer", "from .translation.layers import Positions"),
        ("translation/model", "from .criterion import code_nll"),
        ("translation/model", "from ..bottleneck import assign"),
        ("translation/criterion", "from .encoder import SourceEncoder"),
        ("translation/criterion", "from .model import VQEMTransformer"),
        ("translation/task", "from .model import VQEMTransformer"),
        ("translation/layers", "from .encoder import SourceEncoder"),
        ("translation/encoder", "from ..training import log_bottleneck"),
        ("training", "from .translation import flow"),
        ("bottleneck/assign", "import fairseq"),
        ("bottleneck/assign", "import numpy"),
        ("bottleneck/assign", "from .. import compat"),
        ("bottleneck/__init__", "from ..translation import flow"),
        ("compat", "from .bottleneck import Bottleneck"),
        ("image/__init__", "from ..translation import flow"),
        ("image/__init__", "from ..bottleneck.assign import one_hot"),
        ("translation/task", "from .. import bench"),
        ("__init__", "from .bench import timing"),
        ("translation/attention", ""),  # a module without a row
    ],
)
def test_a_forbidden_import_is_found(tree: Path, name: str, line: str) -> None:
    (tree / "vq_nat" / f"{name}.py").write_text(line)
    assert len(violations(tree)) == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "translation/encoder",
            "from ..transformer import Attention\nfrom .flow import x",
        ),
        ("translation/flow", "from ..bottleneck import BottleneckOutput"),
        ("translation/model", "from . import encoder, decoder"),
        ("translation/task", "from ..bottleneck import Bottleneck\nimport fairseq"),
        ("translation/__init__", "from .model import VQEMTransformer"),
        ("bottleneck/__init__", "from . import assign\nimport torch.nn, math"),
        ("image/__init__", "from ..bottleneck import build_bottleneck\nimport torch"),
        ("translation/criterion", "from ..training import log_bottleneck"),
        ("image/__init__", "from ..training import LatentTraining"),
        ("bench/__init__", "from ..training import bottlenecks"),
        ("cli", "from . import bench, load"),
        ("__init__", "from . import image, translation"),
    ],
)
def test_a_lawful_import_is_not(tree: Path, name: str, line: str) -> None:
    (tree / "vq_nat" / f"{name}.py").write_text(line)
    assert violations(tree) == []
