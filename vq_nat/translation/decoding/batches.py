"""What fairseq gives a generator: a batch, and the models to decode it with."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..flow import LatentModel, is_latent

Sample = dict[str, Any]  # a batch, as fairseq's data sets make it


def only(models: Sequence[LatentModel | nn.Module]) -> LatentModel:
    """Returns the one latent model there is.

    Raises:
        ValueError: if there are several.
    """
    if len(models) != 1:
        raise ValueError(
            f"`models` must hold one model, but holds {len(models)} instead: every "
            "model has codes of its own."
        )
    assert is_latent(models[0])
    return models[0]


def target_of(sample: Sample) -> Tensor:
    """Returns a batch's target.

    Raises:
        ValueError: if it has none.
    """
    target = sample.get("target")
    if target is None:
        raise ValueError(
            "references must be given to decode from true codes or latents, but the "
            "batch has none."
        )
    return target
