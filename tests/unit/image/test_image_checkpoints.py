"""An autoencoder and a prior are taken for what they are, and for each other's."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vq_nat.image import checkpoints, prior_task


class Model(torch.nn.Linear):
    """Something that was trained."""

    def __init__(self, unquantized: bool = False, fingerprint: str = "") -> None:
        super().__init__(3, 2)
        self.bottleneck = SimpleNamespace(passes_through=unquantized, num_updates=9)
        self.fingerprint = fingerprint


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """save(name, model): the path of a checkpoint that says it holds such a model."""

    def make(name: str, model: Model) -> Path:
        path = tmp_path / "checkpoint_best.pt"
        path.touch()
        options = {"model": {"_name": name}}
        monkeypatch.setattr(checkpoints, "load_config", lambda path: options)
        monkeypatch.setattr(checkpoints, "load_models", lambda path: ([model], 0, 0))
        return path

    return make


@pytest.mark.parametrize("name", ["vqvae", "vqvae_cifar10", "vqvae_cifar10_tiny"])
def test_an_autoencoder_of_any_size_comes_frozen_and_in_evaluation(
    save: Any, name: str
) -> None:
    model = checkpoints.load_autoencoder(save(name, Model().train()))
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_what_is_something_else_is_refused_by_its_name(save: Any) -> None:
    with pytest.raises(ValueError, match="of an autoencoder, but .* 'code_prior'"):
        checkpoints.load_autoencoder(save("code_prior", Model()))
    with pytest.raises(ValueError, match="of a prior of codes, but .* 'vqvae'"):
        checkpoints.load_prior(save("vqvae", Model()), Model())


def test_codes_that_were_not_in_use_are_refused(save: Any) -> None:
    with pytest.raises(ValueError, match="is from after 9 updates, when vectors still"):
        checkpoints.load_autoencoder(save("vqvae", Model(unquantized=True)))


def test_a_prior_is_that_of_one_autoencoder(save: Any) -> None:
    own, other = Model(), Model()
    prior = Model(fingerprint=checkpoints.fingerprint(own))
    assert checkpoints.load_prior(save("code_prior", prior), own) is prior
    with pytest.raises(ValueError, match="was trained on those of another"):
        checkpoints.load_prior(save("code_prior", prior), other)


@pytest.mark.parametrize("name", ["", "run/checkpoint_best.pt"])
def test_a_prior_is_trained_on_the_codes_of_the_autoencoder_that_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prior_task, "load_autoencoder", lambda path, device: path)
    task = prior_task.ImageCodesTask(
        prior_task.ImageCodesConfig(autoencoder=name, cpu=True)
    )
    if name:
        assert task.autoencoder == name
    else:
        with pytest.raises(ValueError, match="`--autoencoder` must be a checkpoint"):
            print(task.autoencoder)
