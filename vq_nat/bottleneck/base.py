"""Owns what every bottleneck shares: the result record, padding, precision, counting.

A bottleneck turns continuous vectors into discrete codes and back. The letters used
throughout this room: B batch, L latent steps, C width, N flattened real positions,
G slices, K codes per slice, D = C / G code width, M samples.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from .config import BottleneckConfig
from .members import register_bottleneck
from .prior import Prior, slice_first
from .slices import look_up
from .validity import Option, read_options


class BottleneckOutput(NamedTuple):
    """All that leaves a bottleneck; callers never see its internals."""

    quantized: Tensor
    """(B, L, C) float32, what the decoder sees; 0 at padding."""

    codes: Tensor
    """(B, L, G) int64, the most probable codes; 0 at padding."""

    weights: Tensor
    """(B, L, G, K) float32 without gradient; rows sum to 1, but to 0 at padding."""

    loss: Tensor
    """Scalar float32: commitment (+ codebook) loss, a mean, already weighted."""

    metrics: dict[str, float]
    """Figures for the log, about the real positions of this batch."""


class Bottleneck(nn.Module):
    """Continuous to discrete to continuous: the base of the family.

    `forward` picks out the real positions, leaves autocast, hands flat float32 rows to
    `quantize_rows` and puts the results back in place, so that no member has to think
    of padding or precision. Members implement `quantize_rows` and `codebook`, and
    `apply_gathered` too if they gather statistics; `members.py` says how one gets its
    name.

    Attributes:
        options: values of `own_options`, as `vq_options` has them.

    A training loop calls, per optimizer update and on every worker:
    `set_num_updates(n)`, any number of `forward`, the optimizer, `m_step()`.
    """

    # State that older checkpoints lack; it then stays as it is.
    added_state: tuple[str, ...] = ("_extra_state",)
    # Whether slices may add up (`vq_slicing`), instead of standing side by side.
    can_add_slices: ClassVar[bool] = False
    # Whether `quantize_by` listens to a prior.
    takes_prior: ClassVar[bool] = False
    # Options that no field of the configuration has, with defaults: for members from
    # outside the package, whose users set them by `vq_options`.
    own_options: ClassVar[Mapping[str, Option]] = {}

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.options = read_options(config.vq_options, self.own_options)
        self.width = width
        self.num_codes = config.vq_num_codes
        self.num_slices = config.vq_slices
        self.code_width = width // config.vq_slices
        self.num_updates = 0
        self.window = 1 / (1 - config.vq_decay)  # updates that count as recent
        self._frozen = False

    @classmethod
    def check_options(cls, config: BottleneckConfig) -> None:
        """Refuses what this member alone cannot work with.

        Raises:
            ValueError: if an option is out of its range; the sentence names it.
        """

    def forward(
        self, z_e: Tensor, mask: Tensor | None = None, prior: Prior | None = None
    ) -> BottleneckOutput:
        """Quantizes the real positions of `z_e`.

        Args:
            z_e: encoder outputs, of any floating type. Shape: (B, L, C).
            mask: True at real positions; None if all are. Shape: (B, L).
            prior: what a predictor says of the codes; None = nothing.

        Returns:
            The result record; what stands at padding in `z_e` cannot change it.

        Raises:
            ValueError: if a shape or type is wrong, or a vector is not finite.
        """
        _check_shapes(z_e, mask, self.width)
        with torch.autocast(z_e.device.type, enabled=False):
            rows = z_e.flatten(0, 1) if mask is None else z_e[mask]
            if prior is None:
                out = self.quantize_rows(rows.float())
            else:
                out = self.quantize_by(rows.float(), slice_first(prior, mask))
        # On the CPU already: evaluation need not wait for the device once more.
        if not all(math.isfinite(figure) for figure in out.metrics.values()):
            raise self._not_finite()
        return out._replace(
            quantized=_to_positions(out.quantized, z_e, mask),
            codes=_to_positions(out.codes, z_e, mask),
            weights=_to_positions(out.weights, z_e, mask),
        )

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Quantizes N real vectors, float32, outside autocast.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, K).
        """
        raise NotImplementedError

    def quantize_by(self, z: Tensor, prior: Prior) -> BottleneckOutput:
        """Quantizes N real vectors as `quantize_rows` does, but with a prior.

        Raises:
            ValueError: if this kind has no use for one.
        """
        raise ValueError(
            "`prior` must be None for a bottleneck of `vq_kind` "
            f"{self.config.vq_kind!r}, but is given instead."
        )

    @property
    def adds_slices(self) -> bool:
        """Whether `lookup` adds up the slices' vectors, or puts them side by side."""
        return self.config.adds_slices

    @property
    def codebook(self) -> Tensor:
        """The vectors behind the codes. Shape: (G, K, D), float32.

        Slices that add up have the whole width: (G, K, C).
        """
        raise NotImplementedError

    def lookup(self, codes: Tensor) -> Tensor:
        """Turns codes into what the decoder sees, float32.

        Shape:
            codes (B, L, G) → (B, L, C).

        Raises:
            ValueError: if the shape is another one, or a code is not among the K.
        """
        codebook = self.codebook
        self.check_codes(codes, in_batch=False)
        vectors = look_up(codebook, codes)
        if self.adds_slices:
            return vectors.unflatten(-1, (self.num_slices, -1)).sum(-2)
        return vectors

    @torch.no_grad()
    def m_step(self) -> None:
        """Applies and clears the statistics gathered since the last call.

        It counts an update, with or without vectors. In evaluation it does nothing; all
        workers must be in the same mode.
        """
        if self.training:
            with in_float32(self):
                self.apply_gathered()
            self.num_updates += 1

    def apply_gathered(self) -> None:
        """Applies and clears what was gathered, on all workers alike."""

    def discard(self) -> None:
        """Clears what was gathered since the last M-step: for an update given up."""

    def set_num_updates(self, num_updates: int) -> None:
        """Tells how many optimizer updates are done."""
        self.num_updates = num_updates

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within it, forward gathers nothing even in training: for dummy batches."""
        before, self._frozen = self._frozen, True
        try:
            yield
        finally:
            self._frozen = before

    @property
    def gathers(self) -> bool:
        """Whether a forward pass now contributes to the next M-step."""
        return self.training and not self._frozen

    def check_codes(self, codes: Tensor, in_batch: bool = True) -> None:
        """Refuses what `lookup` cannot look up; not while a graph is traced.

        Args:
            codes: must be of shape (B, L, G), each from 0 to K - 1.
            in_batch: whether they must have three dimensions, or any number.

        Raises:
            ValueError: if they are not.
        """
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            return
        is_shaped = codes.dim() == 3 or not in_batch
        if not is_shaped or codes.shape[-1:] != (self.num_slices,):
            raise ValueError(
                f"`codes` must be of shape (B, L, {self.num_slices}), "
                f"but is of shape {tuple(codes.shape)} instead."
            )
        if bool(((codes < 0) | (codes >= self.num_codes)).any()):
            raise ValueError(
                f"`codes` must be from 0 to {self.num_codes - 1}, "
                f"but are from {int(codes.min())} to {int(codes.max())} instead."
            )

    def check_finite(self, figures: Tensor) -> None:
        """Refuses a batch before it gets into a sampler or a codebook.

        Args:
            figures: something computed from all of the batch and of the codebook.

        Raises:
            ValueError: in training, if they are not finite; it names the update.
        """
        if self.training and not bool(figures.sum().isfinite()):
            raise self._not_finite()

    def _not_finite(self) -> ValueError:
        return ValueError(
            "`z_e` must be finite and so must the codebook, but what is computed "
            f"from them is not in update {self.num_updates}."
        )

    def get_extra_state(self) -> Tensor:
        """What the schedules go by, for the checkpoint."""
        return torch.tensor([self.num_updates])

    def set_extra_state(self, state: Tensor) -> None:
        """Continues where `get_extra_state` left off."""
        self.num_updates = int(state[0])

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        own = self.state_dict()
        for name in self.added_state:
            state_dict.setdefault(prefix + name, own[name])
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def extra_repr(self) -> str:
        """The hyper-parameters on one line."""
        return (
            f"width={self.width}, num_codes={self.num_codes}, slices={self.num_slices}"
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        """Follows moves between devices, but stays float32 under .half() and the like.

        In float16 a count stops growing at 2048, and in bfloat16 at 256.
        """
        return super()._apply(lambda tensor: _keep_dtype(tensor, fn(tensor)), recurse)


@register_bottleneck("identity")
class IdentityBottleneck(Bottleneck):
    """The member that does nothing: a model without quantization, to compare with.

    `quantized` is `z_e`. There is a single pretended code, 0, so that shapes hold.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.num_codes = 1

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Passes `z` through.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, 1).
        """
        self.check_finite(z)
        shape = (len(z), self.num_slices)
        codes = torch.zeros(shape, dtype=torch.long, device=z.device)
        weights = torch.ones(*shape, 1, dtype=torch.float32, device=z.device)
        return BottleneckOutput(z, codes, weights, z.new_zeros(()), {})

    @property
    def codebook(self) -> Tensor:
        """There is none.

        Raises:
            RuntimeError: always, also from `lookup`.
        """
        raise RuntimeError("A bottleneck of `vq_kind` 'identity' has no codebook.")


def in_float32(module: nn.Module) -> torch.autocast:
    """Returns a context without autocast on a module's device."""
    tensors = chain(module.buffers(), module.parameters())
    device = next((tensor.device.type for tensor in tensors), "cpu")
    return torch.autocast(device, enabled=False)


def _keep_dtype(before: Tensor, after: Tensor) -> Tensor:
    return after if after.dtype == before.dtype else before.to(after.device)


def _to_positions(rows: Tensor, z_e: Tensor, mask: Tensor | None) -> Tensor:
    """Puts N rows back in place, 0 elsewhere. Shape: (N, ...) → (B, L, ...)."""
    shape = (*z_e.shape[:2], *rows.shape[1:])
    if mask is None:
        return rows.reshape(shape)
    positions = rows.new_zeros(shape)
    positions[mask] = rows
    return positions


def _check_shapes(z_e: Tensor, mask: Tensor | None, width: int) -> None:
    if z_e.dim() != 3 or z_e.shape[-1] != width:
        raise ValueError(
            f"`z_e` must be of shape (B, L, {width}), "
            f"but is of shape {tuple(z_e.shape)} instead."
        )
    if not z_e.is_floating_point():
        raise ValueError(
            f"`z_e` must be of a floating-point type, but is {z_e.dtype} instead."
        )
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"`mask` must be of bool type, but is {mask.dtype} instead.")
    if mask is not None and mask.shape != z_e.shape[:2]:
        raise ValueError(
            f"`mask` must be of shape {tuple(z_e.shape[:2])}, "
            f"but is of shape {tuple(mask.shape)} instead."
        )
