"""Owns fairseq's Adam and its norm of gradients, in few operations for a GPU.

fairseq updates one parameter after the other, ten operations each. A small model has
hundreds of parameters, and a GPU waits for all of those to be launched, which takes as
long as the forward pass. Here each operation goes over all parameters at once: the same
formulas in the same order, so `--optimizer adam` and its checkpoints mean the same. A
CPU is faster one by one, as its cache holds what it has just read.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from fairseq.optim import adam
from torch import Tensor

AT_ONCE = ("cuda",)  # types of devices

_one_by_one = adam.Adam.step


def step(self: Any, closure: Callable[[], Any] | None = None) -> Any:
    """Performs one step of Adam (Kingma & Ba 2015, algorithm 1).

    Weight decay is that of AdamW; ε stands outside of the root and is not corrected for
    the bias, as in fairseq. A CPU's parameters, AMSGrad, and what is not plain float32,
    go fairseq's way. At its peak a step holds one more copy of the parameters.

    Args:
        self: fairseq's Adam.
        closure: evaluates the model and returns the loss.
    """
    loss = None if closure is None else closure()
    if not all(is_plain(group) for group in self.param_groups):
        _one_by_one(self)
        return loss
    for group in self.param_groups:
        parameters = [p for p in group["params"] if p.grad is not None]
        if parameters:
            _step_group(self, group, parameters)
    return loss


def is_plain(group: dict[str, Any]) -> bool:
    """Tells whether a group of parameters can be updated at once."""
    if group.get("amsgrad", False):
        return False
    pairs = [(p, p.grad) for p in group["params"] if p.grad is not None]
    return all(
        p.device.type in AT_ONCE
        and p.dtype == grad.dtype == torch.float32
        and not grad.is_sparse
        for p, grad in pairs
    )


def _step_group(
    optimizer: Any, group: dict[str, Any], parameters: list[Tensor]
) -> None:
    states = [optimizer.state[p] for p in parameters]
    for p, state in zip(parameters, states):
        _prepare(state, p)
        state["step"] += 1
    beta1, beta2 = group["betas"]
    values = [p.data for p in parameters]
    grads = [p.grad.data for p in parameters if p.grad is not None]
    first = [state["exp_avg"] for state in states]
    second = [state["exp_avg_sq"] for state in states]
    torch._foreach_mul_(first, beta1)
    torch._foreach_add_(first, grads, alpha=1 - beta1)
    torch._foreach_mul_(second, beta2)
    torch._foreach_addcmul_(second, grads, grads, value=1 - beta2)
    denominators = torch._foreach_sqrt(second)
    torch._foreach_add_(denominators, group["eps"])
    if group["weight_decay"] != 0:
        torch._foreach_add_(values, values, alpha=-group["weight_decay"] * group["lr"])
    sizes = [-step_size(group["lr"], beta1, beta2, state["step"]) for state in states]
    torch._foreach_addcdiv_(values, first, denominators, sizes)


def _prepare(state: dict[str, Any], parameter: Tensor) -> None:
    """Makes or moves the moments of a parameter."""
    if not state:
        state["step"] = 0
        state["exp_avg"] = torch.zeros_like(parameter)
        state["exp_avg_sq"] = torch.zeros_like(parameter)
    else:  # a checkpoint's may be elsewhere
        state["exp_avg"] = state["exp_avg"].to(parameter)
        state["exp_avg_sq"] = state["exp_avg_sq"].to(parameter)


def step_size(lr: float, beta1: float, beta2: float, step: int) -> float:
    """Returns the learning rate, corrected for moments that began at 0."""
    return lr * math.sqrt(1 - beta2**step) / (1 - beta1**step)


def total_norm(grads: Sequence[Tensor], chunk_size: int = 0) -> Tensor:
    """Returns the L2 norm of all gradients together, in float32.

    Args:
        grads: the result is where the first of them is.
        chunk_size: of fairseq's own function, which has no meaning here.
    """
    norms = torch._foreach_norm([grad.float() for grad in grads])
    return torch.stack([norm.to(grads[0].device) for norm in norms]).norm()
