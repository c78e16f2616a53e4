"""What the tests of the corpus scripts share: a tiny corpus and a fast binariser."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_helpers import ENGLISH, GERMAN, SIZE
from stub_teacher import StubTeacher

from data_prep import distill, prepare
from data_prep.lib import binarise, steps, teachers
from data_prep.lib.plan import CorpusPlan

SCRIPTS = Path(__file__).resolve().parents[3] / "data_prep"

Run = Callable[..., Path]


@pytest.fixture
def scripts() -> Path:
    """The folder of the scripts."""
    return SCRIPTS


@pytest.fixture
def write_raw(tmp_path: Path) -> Callable[..., Path]:
    """Write a raw corpus; ``name="line\\nline"`` replaces one file (None: no file)."""

    def write(**changed: str | bytes | None) -> Path:
        folder = tmp_path / "source"
        folder.mkdir(exist_ok=True)
        for split in ("train", "valid", "test"):
            for lang, lines in (("en", ENGLISH), ("de", GERMAN)):
                content = changed.get(f"{split}_{lang}", "\n".join(lines) + "\n")
                if isinstance(content, str):
                    content = content.encode()
                if content is not None:
                    (folder / f"{split}.{lang}").write_bytes(content)
        return folder

    return write


@pytest.fixture
def fast_binariser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace fairseq-preprocess, which takes seconds to start, by a copy."""

    def copy(plan: CorpusPlan, folder: Path) -> None:
        for name, path in plan.files(plan.out / "bpe").items():
            (folder / f"{name}.bin").write_bytes(path.read_bytes())
        for lang in plan.langs:
            (folder / f"dict.{lang}.txt").write_text("a 1\n")

    monkeypatch.setattr(binarise, "run_fairseq_preprocess", copy)
    monkeypatch.setattr(steps, "LOCK_PATIENCE", 0.2)


@pytest.fixture
def run_prepare(tmp_path: Path, fast_binariser: None) -> Callable[..., Path]:
    """Prepare a raw folder as the command line does, and return the output folder."""

    def run(raw: Path, *options: str, out: Path | None = None) -> Path:
        out = out or tmp_path / "out"
        arguments = ["--raw", str(raw), "--out", str(out), "--workers", "1"]
        arguments += ["--source-lang", "en", "--target-lang", "de"]
        prepare.main([*arguments, "--bpe-operations", "20", *options])
        return out

    return run


@pytest.fixture
def corpus(write_raw: Run, run_prepare: Run, tmp_path: Path) -> Path:
    """Forty training pairs of different lengths, and three of each test set."""
    (tmp_path / "teacher.pt").write_text("weights")
    draw = random.Random(1)
    english = [" ".join(draw.choices("abcdef", k=1 + n % 7)) for n in range(SIZE)]
    german = [f"Satz {n}." for n in range(SIZE)]
    raw = write_raw(train_en="\n".join(english), train_de="\n".join(german))
    return run_prepare(raw)


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> StubTeacher:
    stub = StubTeacher()
    monkeypatch.setattr(teachers, "load_teacher", stub.load)
    monkeypatch.setattr(teachers, "resolve_precision", lambda *_: "float32")
    monkeypatch.setattr(teachers, "find_device", lambda _: "cpu")
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    return stub


@pytest.fixture
def run_distill(corpus: Path, teacher: StubTeacher, tmp_path: Path) -> Run:
    def run(*options: object, name: str = "distilled") -> Path:
        out = tmp_path / name
        arguments = ["--teacher", tmp_path / "teacher.pt", "--data", corpus]
        arguments += ["--out", out, "--workers", 1, "--chunk-lines", 6]
        arguments += ["--max-tokens", 12, "--no-evaluation", *options]
        distill.main([str(argument) for argument in arguments])
        return out

    return run
