"""`vq-nat image`: samples, reconstructions and reports, of models that a user has."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from image_trainings import AUTOENCODER, train
from PIL import Image

from vq_nat.bench import image_quality, image_report
from vq_nat.bench.images import UNTIMED
from vq_nat.cli import main as cli
from vq_nat.files import sha256
from vq_nat.image.autoencoder import VQVAE
from vq_nat.image.checkpoints import load_autoencoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("device", ["gpu", "cuda:77", "meta"])
def test_a_device_that_is_not_there_is_refused(
    autoencoder: Path, tmp_path: Path, device: str, capsys
) -> None:
    words = [str(autoencoder), "--device", device, "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        cli.main(["image", "sample", *words])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--device: must be one that torch can compute on here, but is" in said
    assert repr(device) in said and said.count("\n") == 1


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_the_three_commands_write_their_files(
    pictures: Path,
    autoencoder: Path,
    prior: Path,
    tmp_path: Path,
    capsys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, model = ["--out", str(tmp_path)], str(autoencoder)
    sampling = ["--prior", str(prior), "--count", "6"]
    data = ["--data", str(pictures)]
    assert cli.main(["image", "sample", model, *sampling, *out, "--single"]) == 0
    assert cli.main(["image", "reconstruct", model, *data, *out, "--count", "3"]) == 0
    assert size_of(tmp_path / "samples.png") == (2 * (6 * 18 - 2), 2 * 16)
    assert size_of(tmp_path / "samples" / "00005.png") == (16, 16)
    assert size_of(tmp_path / "reconstructions.png") == (2 * (6 * 18 - 2), 2 * 16)
    log = ["--log", str(autoencoder.parent / "train.log")]
    loads = []

    def counted(*arguments: Any) -> VQVAE:
        loads.append(arguments)
        return load_autoencoder(*arguments)

    monkeypatch.setattr(image_report, "load_autoencoder", counted)
    assert cli.main(["image", "report", model, *data, *sampling, *log, *out]) == 0
    assert len(loads) == 1
    assert capsys.readouterr().out.split()[-1] == str(tmp_path / "report.md")
    page = (tmp_path / "report.md").read_text()
    for name in ("codes", "reconstructions", "samples"):
        assert f"]({name}.png)" in page
        assert (tmp_path / f"{name}.png").is_file()
    row = json.loads((tmp_path / "report.json").read_text())
    bits = row["bits_per_dim"]
    assert bits["prior_uniform"] == pytest.approx(16 * 2 * 4 / 768, abs=1e-5)
    assert bits["prior_learned"] < bits["prior_uniform"]
    assert bits["total_learned"] == pytest.approx(
        bits["reconstruction"] + bits["prior_learned"], abs=2e-5
    )
    assert (row["images"], row["sampling"]["images"]) == (20, 6)
    assert 1 <= row["codebook"]["perplexity"] <= 16
    assert row["fid"] is None


def test_fewer_samples_leave_none_of_more(autoencoder: Path, tmp_path: Path) -> None:
    words = ["image", "sample", str(autoencoder), "--out", str(tmp_path), "--single"]
    folder = tmp_path / "samples"
    assert cli.main([*words, "--count", "3"]) == 0
    for name in ("best.png", "00001.txt", "1.png"):  # somebody's own
        (folder / name).touch()
    assert cli.main([*words, "--count", "1"]) == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["00000.png", "00001.txt", "1.png", "best.png"]


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, int]]:
    """Images that are encoded at a time, and torch's threads, of whatever is called."""
    calls: set[tuple[int, int]] = set()
    encode, decode = VQVAE.encode, VQVAE.decode

    def watched_encode(self: VQVAE, images: torch.Tensor) -> torch.Tensor:
        calls.add((len(images), torch.get_num_threads()))
        return encode(self, images)

    def watched_decode(self: VQVAE, quantized: torch.Tensor) -> torch.Tensor:
        calls.add((len(quantized), torch.get_num_threads()))
        return decode(self, quantized)

    monkeypatch.setattr(VQVAE, "encode", watched_encode)
    monkeypatch.setattr(VQVAE, "decode", watched_decode)
    return calls


def test_batches_are_of_the_size_and_threads_of_the_number_asked_for(
    pictures: Path, autoencoder: Path, tmp_path: Path, sizes: set[tuple[int, int]]
) -> None:
    """Of 20 images in batches of 10, with more threads than are used elsewhere.

    A few samples are drawn before those that are timed.
    """
    words = [str(autoencoder), "--data", str(pictures), "--out", str(tmp_path)]
    words += ["--batch-size", "10", "--count", "20"]
    threads = torch.get_num_threads()
    assert cli.main(["image", "reconstruct", *words]) == 0
    assert sizes == {(10, threads)}
    sizes.clear()
    more = ["--threads", str(threads + 1)]
    assert cli.main(["image", "report", *words, *more]) == 0
    assert sizes == {(10, threads + 1), (UNTIMED, threads + 1)}
    assert torch.get_num_threads() == threads


def test_a_user_sees_nothing_but_what_is_meant_for_him(
    pictures: Path, autoencoder: Path, tmp_path: Path
) -> None:
    """In a process of its own: nothing of a library, and one sentence for an error."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vq_nat.cli", "image", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    data = ("--data", pictures, "--out", tmp_path / "out")
    well = run("reconstruct", autoencoder, *data)
    assert (well.returncode, well.stderr) == (0, "")
    (tmp_path / "file").touch()
    badly = run("sample", autoencoder, "--out", tmp_path / "file")
    assert badly.returncode == 2
    assert badly.stderr.startswith("vq-nat: ") and badly.stderr.count("\n") == 1
    assert str(tmp_path / "file") in badly.stderr


class Averages(torch.nn.Module):
    """Stands in for Inception: the mean of each channel."""

    def forward(self, images: torch.Tensor, return_features: bool = False):
        return images.float().mean(dim=(2, 3))


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network that counts as the published one."""
    path = tmp_path / "inception.pt"
    torch.jit.script(Averages()).save(str(path))
    monkeypatch.setattr(image_quality, "PUBLISHED", (sha256(path),))
    return path


def test_fid_is_of_the_network_given(
    pictures: Path, autoencoder: Path, tmp_path: Path, network: Path
) -> None:
    arguments = ["--data", str(pictures), "--out", str(tmp_path / "out")]
    arguments += ["--inception", str(network), "--count", "12"]
    assert cli.main(["image", "report", str(autoencoder), *arguments]) == 0
    row = json.loads((tmp_path / "out" / "report.json").read_text())
    assert row["fid"]["originals"] == 20
    assert row["fid"]["sampled"] == 12
    assert row["fid"]["reconstructions"] > 0
    assert row["bits_per_dim"]["prior_learned"] is None
    assert row["sampling"]["prior"] == "uniform"


@pytest.mark.parametrize("start", ["random", "data"])
def test_a_model_whose_codes_are_not_in_use_yet_is_refused(
    pictures: Path, tmp_path: Path, sentence: Callable[..., str], start: str
) -> None:
    """Its decoder has seen no code: bits per dimension would be no bound."""
    early = ("--vq-warmup-updates", "3", "--vq-init", start, "--disable-validation")
    words = (*AUTOENCODER, *early, "--max-update")
    model = train(pictures, tmp_path / "model", *words, "2")
    out = ("--out", tmp_path / "out")
    said = sentence("report", model, "--data", pictures, *out)
    assert "checkpoint_last.pt must be of a training whose codes are in use" in said
    assert "after 2 updates" in said
    assert not (tmp_path / "out").exists()
    train(pictures, tmp_path / "model", *words, "3")
    assert cli.main(["image", "sample", str(model), *map(str, out)]) == 0


def test_without_codes_fid_is_of_reconstructions_alone(
    pictures: Path, tmp_path: Path, sentence: Callable[..., str], network: Path
) -> None:
    plain = ("--vq-kind", "identity", "--max-update", "1", "--disable-validation")
    model = train(pictures, tmp_path / "model", *AUTOENCODER, *plain)
    words = [str(model), "--data", str(pictures), "--inception", str(network)]
    alone = sentence("report", *words, "--out", tmp_path / "no", "--count", "1")
    assert "FID must be of at least 2 images, but is of 1 instead." in alone
    assert not (tmp_path / "no").exists()
    assert cli.main(["image", "report", *words, "--out", str(tmp_path / "out")]) == 0
    row = json.loads((tmp_path / "out" / "report.json").read_text())
    assert row["fid"]["reconstructions"] > 0
    assert row["fid"]["samples"] is None and row["sampling"] is None


@pytest.mark.parametrize("choice", [("--temperature", "0.5"), ("--top-k", "3")])
def test_the_uniform_prior_has_no_probable_codes_to_choose(
    pictures: Path,
    autoencoder: Path,
    tmp_path: Path,
    sentence: Callable[..., str],
    choice: tuple[str, str],
) -> None:
    data, out = ("--data", pictures), ("--out", tmp_path / "out")
    for words in (("sample", autoencoder), ("report", autoencoder, *data)):
        said = sentence(*words, *choice, *out)
        assert "must be 1 and `top_k` must be 0 without a prior" in said
    assert not (tmp_path / "out").exists()


@pytest.fixture
def sentence(capsys) -> Callable[..., str]:
    """Runs a command that must fail, and returns its one sentence."""

    def run(*arguments: object) -> str:
        assert cli.main(["image", *map(str, arguments)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    return run


def test_bad_input_is_one_sentence(
    pictures: Path,
    autoencoder: Path,
    prior: Path,
    tmp_path: Path,
    sentence: Callable[..., str],
) -> None:
    out = ("--out", tmp_path / "out")
    missing = tmp_path / "none.pt"
    data = ("--data", pictures)
    assert "none.pt does not exist" in sentence("sample", missing, *out)
    assert "must be the checkpoint of an autoencoder" in sentence("sample", prior)
    swapped = sentence("sample", autoencoder, "--prior", autoencoder, *out)
    assert "must be the checkpoint of a prior of codes" in swapped
    cold = sentence("sample", autoencoder, "--temperature", "-1", *out)
    assert "`temperature` must be at least 0" in cold
    network = ("--inception", tmp_path / "none")
    no_network = sentence("report", autoencoder, *data, *network, *out)
    assert "the Inception network" in no_network
    log = ("--log", tmp_path / "none.log")
    no_log = sentence("report", autoencoder, *data, *log, *out)
    assert "none.log does not exist" in no_log
    small = tmp_path / "small" / "test"
    small.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(small / "0.png")
    sizes = rf"{small.parent} must be of 16 × 16 pixels.* but are of 8 × 8 instead"
    log = ("--log", autoencoder.parent / "train.log")
    for command in (("reconstruct",), ("report", *log)):
        where = ("--data", small.parent, *command[1:], *out)
        wrong = sentence(command[0], autoencoder, *where)
        assert re.search(sizes, wrong)
    assert not (tmp_path / "out").exists()
