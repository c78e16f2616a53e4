"""Autoencoder → codes → prior, by the commands a user gives."""

import shutil
from pathlib import Path

import pytest
import torch
from fairseq_commands import USER_DIR, call, train_together
from image_trainings import AUTOENCODER, PRIOR, TRAINING, UPDATES, logged, train
from PIL import Image

from vq_nat.cli import main as cli
from vq_nat.fairseq_side.compat import load_weights
from vq_nat.image.checkpoints import load_autoencoder, load_prior
from vq_nat.image.prior_task import ImageCodesConfig, ImageCodesTask
from vq_nat.results.training_log import read_entry


def last_entry(path: Path) -> dict[str, float]:
    """Returns the figures of the last validation in a log."""
    entries = [read_entry(line) for line in path.read_text().splitlines()]
    return [entry.values for entry in entries if entry and entry.kind == "valid"][-1]


def test_a_prior_remembers_its_autoencoder(autoencoder: Path, prior: Path) -> None:
    model = load_autoencoder(autoencoder)
    loaded = load_prior(prior, model)
    assert loaded.grid == (4, 4, 2, 16)
    state = torch.load(prior, weights_only=True)["task_state"]["source"]
    assert state["autoencoder"] == str(autoencoder.resolve())
    assert state["fingerprint"] == loaded.fingerprint
    assert state["image_shape"] == [3, 16, 16]
    codes = torch.randint(16, (2, 16, 2))
    assert loaded.log_prob(codes).std() > 0  # it has left the uniform distribution


def test_a_prior_is_loaded_when_all_has_moved(
    autoencoder: Path, prior: Path, tmp_path: Path
) -> None:
    shutil.copy(autoencoder, tmp_path / "a.pt")
    shutil.copy(prior, tmp_path / "p.pt")
    load_prior(tmp_path / "p.pt", load_autoencoder(tmp_path / "a.pt"))


def test_validation_is_what_training_logged(
    pictures: Path, prior: Path, tmp_path: Path
) -> None:
    before = last_entry(prior.parent / "train.log")
    common = ["--cpu", "--user-dir", USER_DIR, "--task", "image_codes"]
    common += ["--batch-size", "7", "--num-workers", "0", "--log-format", "json"]
    with logged(tmp_path / "log"):
        call("validate", [str(pictures), *common, "--path", str(prior)])
    after = last_entry(tmp_path / "log")
    for name in ("bits_per_dim", "nats_per_code", "perplexity"):
        assert after[name] == pytest.approx(before[name], rel=1e-3)


def test_resumed_is_unbroken(
    pictures: Path, autoencoder: Path, prior: Path, tmp_path: Path
) -> None:
    where = ["--autoencoder", str(autoencoder)]
    train(pictures, tmp_path, *PRIOR, *where, "--max-update", "4")
    train(pictures, tmp_path, *PRIOR, *where, "--max-update", str(UPDATES))
    one, other = (
        torch.load(folder / "checkpoint_last.pt", weights_only=True)["model"]
        for folder in (prior.parent, tmp_path)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_two_workers_are_one_that_accumulates(
    pictures: Path, autoencoder: Path, tmp_path: Path
) -> None:
    """Without dropout, which each worker draws for itself."""
    words = [*PRIOR, "--autoencoder", str(autoencoder), "--dropout", "0"]
    words += ["--max-update", str(UPDATES), "--disable-validation"]
    words += ["--optimizer", "sgd", "--lr", "0.5"]
    workers = train_together(tmp_path / "workers", [str(pictures), *TRAINING, *words])
    alone = train(pictures, tmp_path / "alone", *words, "--update-freq", "2")
    assert load_weights(alone)["head.weight"].any()  # zeros before the first update
    for name, weight in load_weights(alone).items():
        assert torch.equal(workers[0][name], workers[1][name]), name
        torch.testing.assert_close(
            workers[0][name], weight, rtol=1e-4, atol=1e-6, msg=name
        )


@pytest.mark.parametrize("subset", ["train", "test"])
def test_what_is_trained_on_is_shuffled_whatever_its_name(
    pictures: Path, autoencoder: Path, subset: str
) -> None:
    cfg = ImageCodesConfig(
        data=str(pictures),
        autoencoder=str(autoencoder),
        train_subset=subset,
        cpu=True,
        seed=1,
    )
    task = ImageCodesTask(cfg)
    for split in ("train", "valid", "test"):
        task.load_dataset(split)
    shuffled = {name for name, data in task.datasets.items() if data.shuffle}
    assert shuffled == {subset}


@pytest.fixture(scope="module")
def other_autoencoder(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An autoencoder of the same shape with other weights."""
    folder = tmp_path_factory.mktemp("other")
    return train(pictures, folder, *AUTOENCODER, "--max-update", "1", "--seed", "7")


def test_another_autoencoder_is_refused(
    pictures: Path, prior: Path, other_autoencoder: Path, tmp_path: Path, capsys
) -> None:
    arguments = ["--prior", str(prior), "--out", str(tmp_path / "out")]
    assert cli.main(["image", "sample", str(other_autoencoder), *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "must be of the codes of this autoencoder" in said
    assert not (tmp_path / "out").exists()
    shutil.copytree(prior.parent, tmp_path / "resumed")
    where = ["--autoencoder", str(other_autoencoder), "--max-update", "9"]
    with pytest.raises(Exception, match="Cannot load model parameters") as raised:
        train(pictures, tmp_path / "resumed", *PRIOR, *where)
    assert "was trained on those of" in str(raised.value.__context__)


def test_codes_of_images_of_another_size_are_refused(
    autoencoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "train").mkdir()
    for number in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / "train" / f"{number}.png")
    where = ["--autoencoder", str(autoencoder), "--max-update", "1"]
    with pytest.raises(ValueError, match="must be of 16 × 16 pixels .* 8 × 8 instead"):
        train(tmp_path, tmp_path / "out", *PRIOR, *where)
