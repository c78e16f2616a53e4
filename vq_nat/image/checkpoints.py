"""Autoencoders and priors from checkpoints, and which of them belong together."""

from pathlib import Path
from typing import Any, Union

from fairseq.models import ARCH_MODEL_NAME_REGISTRY
from torch import nn

from ..fairseq_side.checkpoints import checkpoint_path
from ..fairseq_side.compat import load_config
from ..fairseq_side.guard import load_models
from ..nn.fingerprint import hash_weights
from .prior import CodeGrid

PathLike = Union[str, Path]


def load_autoencoder(path: PathLike, device: str = "cpu") -> Any:
    """Loads an autoencoder, in evaluation mode.

    Args:
        path: a checkpoint, or a folder that holds `checkpoint_best.pt`.
        device: "cpu", "cuda", ….

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is the checkpoint of something else, or of a training that
            had not begun to quantize.
    """
    model = _load(path, "vqvae", "an autoencoder", device)
    # Codes tell nothing of what passes unquantized: the sum of bits would be no bound.
    if getattr(model.bottleneck, "passes_through", False):
        raise ValueError(
            f"{checkpoint_path(path)} must be of a training whose codes are in use, "
            f"but is from after {model.bottleneck.num_updates} updates, when vectors "
            "still passed unquantized."
        )
    return model


def load_prior(path: PathLike, autoencoder: nn.Module, device: str = "cpu") -> Any:
    """Loads a learned prior, in evaluation mode.

    Args:
        path: a checkpoint, or a folder that holds `checkpoint_best.pt`.
        autoencoder: whose codes it was trained on.
        device: "cpu", "cuda", ….

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is the checkpoint of something else, or the prior of another
            autoencoder.
    """
    prior = _load(path, "code_prior", "a prior of codes", device)
    own = fingerprint(autoencoder)
    if prior.fingerprint != own:
        raise ValueError(
            f"the prior {path} must be of the codes of this autoencoder ({own[:12]}), "
            f"but was trained on those of another ({prior.fingerprint[:12]}) instead."
        )
    return prior


def fingerprint(model: nn.Module) -> str:
    """Returns the SHA-256 of a model's weights."""
    return hash_weights(model.state_dict())


def code_grid(autoencoder: Any) -> CodeGrid:
    """Returns the shape of an autoencoder's codes.

    Raises:
        ValueError: if it has none.
    """
    if not autoencoder.has_codes:
        raise ValueError(
            "a prior must be of an autoencoder with codes, "
            f"but the `vq_kind` of this one is {autoencoder.cfg.vq_kind!r} instead."
        )
    height, width = autoencoder.grid
    return CodeGrid(height, width, autoencoder.num_slices, autoencoder.num_codes)


def _load(path: PathLike, name: str, what: str, device: str) -> Any:
    path = checkpoint_path(path)
    model_name = _model_name(load_config(path)["model"])
    if model_name != name:
        raise ValueError(
            f"{path} must be the checkpoint of {what}, "
            f"but is that of a model {model_name!r} instead."
        )
    models, _, _ = load_models(path)
    return models[0].to(device).eval().requires_grad_(False)


def _model_name(options: Any) -> str:
    """Returns the name a model is registered by; options may name an architecture."""
    name = getattr(options, "arch", None) or dict(options or {}).get("_name", "")
    return ARCH_MODEL_NAME_REGISTRY.get(name, name)
