"""Owns what fairseq's trainer does around an update, in less time of the CPU.

While the CPU seeds and logs, a GPU has nothing to do, and of a small model's update
that is a tenth. The random numbers and the figures stay what they are.
"""

from typing import Any

import torch
from fairseq.trainer import Trainer

_set_seed, _log_stats = Trainer._set_seed, Trainer._reduce_and_log_stats


def set_seed(trainer: Trainer) -> None:
    """Seeds the generators of this update: the seed plus the number of updates.

    `torch.manual_seed` looks for every kind of device there may be, and remembers each
    call for those that are not there, with the lines of code that made it.

    Args:
        trainer: fairseq's.
    """
    if trainer.tpu:
        _set_seed(trainer)
        return
    seed = trainer.cfg.common.seed + trainer.get_num_updates()
    generators = [torch.default_generator]
    if torch.cuda.is_initialized():
        generators += torch.cuda.default_generators
    for generator in generators:
        generator.manual_seed(seed)


def log_stats(
    trainer: Trainer, logging_outputs: Any, sample_size: Any, grad_norm: Any = None
) -> Any:
    """Logs the figures of an update, the norm of its gradients as a number of the CPU.

    Args:
        trainer: fairseq's.
        logging_outputs: of the batches of the update.
        sample_size: what the gradients were divided by.
        grad_norm: their norm, wherever it is.

    Returns:
        The figures by name, smoothed.
    """
    norm = grad_norm.cpu() if torch.is_tensor(grad_norm) else grad_norm
    return _log_stats(trainer, logging_outputs, sample_size, norm)
