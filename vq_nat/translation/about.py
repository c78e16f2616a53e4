"""What a folder that is passed on says of its model: its training, text and result."""

from pathlib import Path
from typing import Any, Optional, Union

from torch import nn

from ..fairseq_side.checkpoints import CONFIG
from ..fairseq_side.compat import load_state
from ..fairseq_side.packed import is_packed, read_config, updates_of
from ..files import BadFile, read_json, sha256
from ..results.card import summary
from ..results.report import read_row
from .flow import is_latent

MANIFEST = "manifest.json"  # of prepared or distilled text, beside its `bin`
# Where a checkpoint keeps what is worth telling: group and option of fairseq's.
TOLD = {
    "optimizer": ("optimizer", "_name"),
    "learning_rate": ("optimization", "lr"),
    "lr_scheduler": ("lr_scheduler", "_name"),
    "max_tokens": ("dataset", "max_tokens"),
    "update_freq": ("optimization", "update_freq"),
    "workers": ("distributed_training", "distributed_world_size"),
    "seed": ("common", "seed"),
    "autocast": ("task", "autocast"),
    "criterion": ("criterion", "_name"),
    "metric": ("checkpoint", "best_checkpoint_metric"),
}


def about_model(
    checkpoint: Path,
    model: Any,
    row: Union[str, Path, None] = None,
    licence: Optional[str] = None,
) -> dict[str, Any]:
    """Returns what readers should know of a model; a packed one says it already.

    Args:
        checkpoint: its file.
        model: built from it.
        row: file of its result row, None = what a packed one says.
        licence: name of the licence for who gets it, None = what a packed one says.

    Raises:
        FileNotFoundError: if there is no such row.
        ValueError: if the row is that of another checkpoint.
    """
    if is_packed(checkpoint):
        told: dict[str, Any] = read_config(checkpoint.parent).get("about", {})
        if not isinstance(told, dict):
            place = checkpoint.parent / CONFIG
            raise BadFile(f"`about` in {place} must be an object, but is none.")
    else:
        told = told_by(checkpoint, model)
    if licence is not None:
        told["licence"] = licence
    if row is not None:
        told["result"] = result_of(Path(row), told.get("checkpoint"))
    return told


def told_by(checkpoint: Path, model: Any) -> dict[str, Any]:
    """Returns what a checkpoint says of its training, and its text's manifest."""
    state = load_state(checkpoint)
    cfg = state["cfg"]
    shape = option(cfg, "model", "arch") or option(cfg, "model", "_name")
    training = {name: option(cfg, *place) for name, place in TOLD.items()}
    return {
        "checkpoint": sha256(checkpoint),
        "kind": kind_of(model),
        "architecture": shape,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "training": {
            "updates": updates_of(state),
            **{name: value for name, value in training.items() if value is not None},
            "best": best_of(state),
        },
        "text": text_of(Path(option(cfg, "task", "data") or ".").parent),
        "licence": None,
        "result": None,
    }


def option(cfg: dict[str, Any], group: str, name: str) -> Any:
    """Returns an option of a checkpoint, None if it has none of this name."""
    options = cfg.get(group) or {}
    return (options if isinstance(options, dict) else vars(options)).get(name)


def best_of(state: dict[str, Any]) -> Optional[float]:
    """Returns the best figure of validation that the checkpoint knows."""
    best = (state.get("extra_state") or {}).get("best")
    return round(float(best), 4) if isinstance(best, (int, float)) else None


def kind_of(model: nn.Module) -> str:
    """Returns "latent", "parallel" (fairseq's own) or "autoregressive"."""
    if is_latent(model):
        return "latent"
    parallel = hasattr(model, "initialize_output_tokens")
    return "parallel" if parallel else "autoregressive"


def text_of(corpus: Path) -> Optional[dict[str, Any]]:
    """Returns what the manifest of a corpus says, None if it has none.

    Args:
        corpus: folder that holds it.
    """
    path = corpus / MANIFEST
    if not path.is_file():
        return None
    manifest = read_json(path, "the manifest of a corpus")
    teacher = manifest.get("teacher")
    counts = manifest.get("counts")
    pairs = counts.get("pairs") if isinstance(counts, dict) else None
    return {
        "manifest": sha256(path),
        "pairs": pairs.get("kept train") if isinstance(pairs, dict) else None,
        "teacher": teacher.get("sha256") if isinstance(teacher, dict) else None,
        "decoding": manifest.get("decoding"),
    }


def result_of(path: Path, checkpoint: Optional[str]) -> dict[str, Any]:
    """Returns the figures of a row.

    Args:
        path: of the row.
        checkpoint: hash of the checkpoint, which a row of the table names, too.

    Raises:
        FileNotFoundError: if there is no such row.
        ValueError: if it is that of another checkpoint, or no row.
    """
    if not path.is_file():
        raise FileNotFoundError(f"the row {path} does not exist.")
    row = read_row(path, whole=False)
    inputs = row.get("inputs")
    measured = inputs.get("checkpoint") if isinstance(inputs, dict) else None
    if measured and checkpoint and measured != checkpoint:
        raise ValueError(
            f"{path} must be a row of this checkpoint ({checkpoint[:12]}…), but is "
            f"one of another ({measured[:12]}…)."
        )
    return summary(row, path)
