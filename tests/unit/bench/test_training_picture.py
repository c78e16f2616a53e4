"""A training is drawn with what it logged, and nothing else."""

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

import vq_nat
from vq_nat.bench.training_picture import PANELS, THEMES, draw_run, known
from vq_nat.cli.main import main
from vq_nat.results.curves import read_curves

pytest.importorskip("matplotlib")
LATENT = {"word_nll": 3.0, "code_nll": 4.0, "vq_loss": 0.0, "vq_perplexity": 9.0}


def write_log(folder: Path, **figures: float) -> Path:
    """Writes a log of three lines and a validation."""
    lines = [
        f"x | train_inner | {json.dumps({'num_updates': n, **figures})}" for n in (1, 2)
    ]
    valid = {"valid_num_updates": 2, "valid_bleu": 30.0, "valid_bleu_true_codes": 50.0}
    (folder / "train.log").write_text(
        "\n".join([*lines, f"x | valid | {json.dumps(valid)}"])
    )
    return folder


def documented(run: Path, out: Path) -> list[Path]:
    """Draws a training by the command of the room's page, as it stands there."""
    page = Path(vq_nat.__file__).with_name("translation") / "README.md"
    line = re.search(r"^vq-nat (plot .*)$", page.read_text("utf-8"), re.MULTILINE)
    places = {"runs/demo/student": str(run), "pictures": str(out)}
    assert main([places.get(word, word) for word in shlex.split(line[1])]) == 0
    return sorted(out.iterdir())


def test_lines_are_those_of_the_log(tmp_path: Path) -> None:
    curves = read_curves(write_log(tmp_path, **LATENT) / "train.log")
    lines = {p.title: list(known(p, dict(curves))) for p in PANELS}  # type: ignore[arg-type]
    assert ("words, bits each", [1, 2], [3.0, 3.0]) in lines["loss in training"]
    assert ("the target's codes", [2], [50.0]) in lines["validation BLEU"]
    assert lines["entropy of the posterior, nats"] == []


def test_pictures_are_whole_and_the_same_each_time(tmp_path: Path) -> None:
    log = write_log(tmp_path, **LATENT)
    first = {path.name: path.read_bytes() for path in draw_run(log, tmp_path / "a")}
    again = {path.name: path.read_bytes() for path in documented(log, tmp_path / "b")}
    assert len(first) == 2 * len(THEMES) and first == again
    for name, content in first.items():
        if name.endswith("svg"):
            assert ElementTree.fromstring(content).tag.endswith("svg")
        else:
            assert content.startswith(b"\x89PNG")


def test_what_is_no_log_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", str(tmp_path)]) == 2
    assert "train.log does not exist" in capsys.readouterr().err
    (tmp_path / "train.log").write_text("no figures\n")
    assert main(["plot", str(tmp_path)]) == 2
    assert "must hold figures of fairseq-train" in capsys.readouterr().err
