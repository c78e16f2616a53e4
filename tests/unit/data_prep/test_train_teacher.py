"""Tests of train_teacher.py and average.py, without training."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from data_prep import train_teacher
from data_prep.lib import average
from data_prep.lib.steps import UserError

PRESETS = train_teacher.HERE / "presets"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus" / "bin").mkdir(parents=True)
    text = '{"source_lang": "en", "target_lang": "de"}'
    (tmp_path / "corpus" / "bin" / "text.json").write_text(text)
    return tmp_path / "corpus"


def command(name: str, corpus: Path, gpus: int) -> list[str]:
    preset = train_teacher.read_preset(PRESETS / f"{name}.yaml")
    return train_teacher.training_command(preset, corpus, Path("out"), gpus, ["--x"])


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_fairseq_takes_every_preset(name: str, corpus: Path) -> None:
    from fairseq import options

    import vq_nat.translation  # noqa: F401

    words = command(name, corpus, 1)
    words = words[words.index("fairseq_cli.train") + 1 : -1]
    args = options.parse_args_and_arch(options.get_training_parser(), input_args=words)
    depth = re.search(r"-(\d+)-(\d+)$", name)
    if depth:
        assert (args.encoder_layers, args.decoder_layers) == (int(depth[1]), 1)
    assert args.share_all_embeddings


def test_the_batch_is_the_same_on_any_number_of_gpus(corpus: Path) -> None:
    assert "--update-freq 8 " in " ".join(command("wmt14", corpus, 1))
    assert "--update-freq 8 " in " ".join(command("wmt14", corpus, 0))
    several = " ".join(command("wmt14", corpus, 4))
    assert "--update-freq 2 " in several
    assert "torch.distributed.run --standalone --nproc_per_node=4 -m fairseq" in several
    assert several.endswith(" --x")
    assert "batch-tokens" not in several and "average" not in several


@pytest.mark.parametrize("gpus", [0, 1, 2, 3])
def test_torchrun_starts_a_process_for_each_of_several_gpus(
    corpus: Path, gpus: int
) -> None:
    words = command("wmt14", corpus, gpus)
    assert ("torch.distributed.run" in words) == (gpus > 1)
    assert (f"--nproc_per_node={gpus}" in words) == (gpus > 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"must be a file or one of .*multi30k-12-1, .*wmt14"),
        ("a: [", "must be YAML, but is not"),
        ("- 1", "must hold flags, but does not"),
    ],
)
def test_a_bad_preset_is_a_sentence(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "preset.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        train_teacher.read_preset(path)


def test_an_unprepared_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"text\.json is missing; run prepare\.py"):
        train_teacher.main(
            ["--preset", "wmt14", "--data", str(tmp_path), "--out", str(tmp_path / "o")]
            + ["--gpus", "0"]
        )


# ---------------------------------------------------------------------------- averages


def save(path: Path, *values: float, **more: Any) -> Path:
    weights = {"w": torch.tensor(values), "version": torch.tensor([3])}
    torch.save({"model": weights, "cfg": {}, "args": None, **more}, path)
    return path


def test_the_average_is_the_mean(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{n}.pt", n, 2.0 * n) for n in (1, 2, 6)]
    average.average_checkpoints(paths, tmp_path / "mean.pt")
    state = torch.load(tmp_path / "mean.pt", weights_only=True)
    assert state["model"]["w"].tolist() == [3, 6]
    assert state["model"]["w"].dtype == torch.float32
    assert state["model"]["version"].tolist() == [3]
    assert state["last_optimizer_state"] is None


def test_the_newest_checkpoints_are_averaged(tmp_path: Path) -> None:
    for name in ("1_900", "1_1000", "2_1100", "_best", "_last"):
        save(tmp_path / f"checkpoint{'' if name[0] == '_' else '_'}{name}.pt", 1.0)
    names = [path.name for path in average.last_checkpoints(tmp_path, 2)]
    assert names == ["checkpoint_1_1000.pt", "checkpoint_2_1100.pt"]
    with pytest.raises(UserError, match="must hold 4 checkpoints .* but holds 3"):
        average.last_checkpoints(tmp_path, 4)


def test_epochs_are_averaged_if_there_are_no_others(tmp_path: Path) -> None:
    for name in ("9", "10", "_best"):
        save(tmp_path / f"checkpoint{name}.pt", 1.0)
    names = [path.name for path in average.last_checkpoints(tmp_path, 2)]
    assert names == ["checkpoint9.pt", "checkpoint10.pt"]


def test_different_models_are_refused(tmp_path: Path) -> None:
    paths = [save(tmp_path / "1.pt", 1.0), save(tmp_path / "2.pt", 1.0, 2.0)]
    with pytest.raises(UserError, match=r"2\.pt and \S+1\.pt must be of one model"):
        average.average_checkpoints(paths, tmp_path / "mean.pt")
    assert not os.path.exists(tmp_path / "mean.pt")
