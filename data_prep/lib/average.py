"""Averages the weights of checkpoints, as the Transformer paper does."""

import re
from pathlib import Path
from typing import Any

from data_prep.lib.steps import UserError
from vq_nat.writing import replacing

# checkpoint_EPOCH_UPDATES.pt and checkpointEPOCH.pt
BY_UPDATES = re.compile(r"checkpoint_\d+_(\d+)\.pt")
BY_EPOCH = re.compile(r"checkpoint(\d+)\.pt")


def last_checkpoints(folder: Path, number: int) -> list[Path]:
    """Returns the newest checkpoints that were saved at intervals, in their order.

    Raises:
        UserError: if there are fewer.
    """
    for pattern in (BY_UPDATES, BY_EPOCH):
        checkpoints = {
            int(match[1]): path
            for path in folder.glob("checkpoint*.pt")
            if (match := pattern.fullmatch(path.name))
        }
        if checkpoints:
            break
    if len(checkpoints) < number:
        raise UserError(
            f"{folder} must hold {number} checkpoints to be averaged, but holds "
            f"{len(checkpoints)} instead; save more of them."
        )
    return [checkpoints[key] for key in sorted(checkpoints)[-number:]]


def average_checkpoints(paths: list[Path], out: Path) -> None:
    """Writes a checkpoint with the mean of the weights, ready for decoding.

    Raises:
        UserError: if the checkpoints are of different models, or there is no room.
    """
    states = map(load, paths)
    result = next(states)
    weights = result["model"]
    sums = {name: tensor.double() for name, tensor in weights.items()}
    for path, state in zip(paths[1:], states, strict=True):
        other = {name: tensor.shape for name, tensor in state["model"].items()}
        if other != {name: tensor.shape for name, tensor in weights.items()}:
            raise UserError(f"{path} and {paths[0]} must be of one model, but are not.")
        for name, tensor in state["model"].items():
            sums[name] += tensor.double()
    result["model"] = {
        name: (total / len(paths)).to(weights[name].dtype)
        for name, total in sums.items()
    }
    result["last_optimizer_state"] = None  # it belongs to one of them only
    from vq_nat.fairseq_side.saving import save_state

    try:
        with replacing(out) as temporary:
            save_state(result, temporary)
    except OSError as error:
        said = str(error.strerror or error)
        raise UserError(f"The average {out} cannot be written: {said}.") from None


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint.

    Raises:
        UserError: if it is missing, or damaged.
    """
    # Register what the options are checked against: those of what is not known go.
    import vq_nat.image
    import vq_nat.translation  # noqa: F401
    from vq_nat.fairseq_side.compat import load_state

    if not path.is_file():
        raise UserError(f"The checkpoint {path} is missing.")
    try:
        return load_state(path)
    except ValueError as error:
        raise UserError(f"The checkpoint {error}") from None
