"""The tasks of images: what is shuffled, what is shown, where codes are computed."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from image_commands import draw_images

from vq_nat.image import prior_task
from vq_nat.image import task as task_of_images
from vq_nat.image.data import ImageSet


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A task whose splits are all of six images."""
    images = ImageSet(draw_images(6, size=8), "boxes")
    monkeypatch.setattr(task_of_images, "open_images", lambda *rest: images)
    config = task_of_images.ImageVQVAEConfig(
        train_subset="train", flip=True, tensorboard_logdir="there", seed=1
    )
    return task_of_images.ImageVQVAETask(config)


def test_only_what_is_trained_on_is_shuffled_and_mirrored(task: Any) -> None:
    for split, trains in (("train", True), ("valid", False), ("test", False)):
        task.load_dataset(split)
        dataset = task.datasets[split]
        assert (dataset.shuffle, dataset.flip) == (trains, trains), split


def test_pictures_of_a_training_are_written_at_once(
    task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    writer = SimpleNamespace(
        add_image=lambda name, picture, updates: said.append((name, updates)),
        flush=lambda: said.append("written"),
    )
    monkeypatch.setattr(task_of_images, "tensorboard_writer", lambda *rest: writer)
    model = SimpleNamespace(
        reconstruct=lambda images: images, bottleneck=SimpleNamespace(num_updates=9)
    )
    task.show(torch.from_numpy(draw_images(2, size=8)), model)
    assert said == [("reconstructions", 9), "written"]


@pytest.mark.parametrize("cpu", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_codes_are_computed_on_a_gpu_if_there_is_one_and_it_may_be_used(
    there: bool, cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    task = prior_task.ImageCodesTask(prior_task.ImageCodesConfig(cpu=cpu))
    assert task.device == ("cuda" if there and not cpu else "cpu")
