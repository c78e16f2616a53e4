"""Owns vector quantization: one E-step per forward pass, one M-step per update."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from . import assign, schedule, usage
from .base import Bottleneck, BottleneckOutput, straight_through
from .codebook import Codebook, EmaCodebook, GradientCodebook
from .config import BottleneckConfig
from .data_init import RecentVectors
from .slices import join_slices, look_up, split_slices

_CODEBOOKS = {"ema": EmaCodebook, "gradient": GradientCodebook}


class Assignment(NamedTuple):
    """What the E-step finds out about N vectors, slice by slice."""

    codes: Tensor
    """(G, N) int64, the most probable codes."""

    weights: Tensor
    """(G, N, K), the average of the drawn one-hots, or one one-hot."""

    probabilities: Tensor
    """(G, N, K), the posterior."""

    temperature: Tensor
    """(G,), the temperature of the posterior."""

    second_distances: Tensor | None
    """(G, N), to the second nearest code; None if the temperature is absolute."""


class VectorQuantizer(Bottleneck):
    """Expectation maximization over a codebook, in mini-batches.

    E-step, in `forward`: the codes of z_e are the nearest one (hard), or M draws from
    softmax_j(-||z_e - e_j||^2 / tau) (soft). The decoder sees
    z_q = (1/M) sum_l e_{z^l}, and its gradient goes to z_e unchanged.

    M-step, in `m_step`: each code moves towards the mean of the encoder outputs
    assigned to it, by moving averages or by a codebook loss; see `codebook.py`.

    Three axes are free of each other: `vq_assign`, `vq_update`, `vq_slices`. Evaluation
    takes the nearest code and moves nothing.

    Call, per update: `set_num_updates(n)`, any number of `forward`, `m_step()`.
    """

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.table: Codebook = _CODEBOOKS[config.vq_update](config, self.code_width)
        self._initialized = config.vq_init == "random"
        self._recent = RecentVectors(width, config.vq_num_codes)
        self._restarted = 0

    @property
    def codebook(self) -> Tensor:
        """The code vectors. Shape: (G, K, D), float32."""
        return self.table.codes

    @property
    def passes_through(self) -> bool:
        """Whether z_e still passes unquantized: warm-up, or no codebook yet."""
        warming_up = self.num_updates < self.config.vq_warmup_updates
        return warming_up or not self._initialized

    @property
    def num_samples(self) -> int:
        """M, now; 1 if the assignment is hard, 0 if the expectation is exact."""
        if not self._is_soft:
            return 1
        return schedule.num_samples(self.config, self.num_updates)

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Assigns N vectors to codes and gathers the statistics of that.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, K).
        """
        with torch.no_grad():
            found = self._e_step(split_slices(z, self.num_slices))
        quantized = self._mix(found)
        metrics = self._metrics(z, quantized, found)
        if self.gathers:
            self._gather(z.detach(), found)
        loss = self._loss(z, quantized)
        if self.passes_through:
            # Times 0 rather than 0: every parameter keeps its place in the graph.
            quantized, loss = z, 0.0 * loss
        else:
            quantized = straight_through(z, quantized)
        codes, weights = found.codes.t(), found.weights.transpose(0, 1)
        return BottleneckOutput(quantized, codes, weights, loss, metrics)

    @torch.no_grad()
    def m_step(self) -> None:
        """Moves the codebook, on all workers alike; call it once an update on each."""
        if self.passes_through:
            self._prepare()
        else:
            self._restarted = self.table.m_step_(seed=self.num_updates)
        super().m_step()

    def _e_step(self, z: Tensor) -> Assignment:
        """Assigns vectors to codes. Shape: z (G, N, D)."""
        distances = assign.squared_distances(z, self.codebook)  # (G, N, K)
        self._check_finite(distances)
        second = None
        if self.config.vq_temperature_scale == "relative":
            second = assign.second_nearest_distances(distances)
        temperature = self._temperature(second)
        probabilities = assign.posterior(distances, temperature)
        codes = assign.nearest_codes(distances)
        if self._is_soft:
            weights = assign.soft_weights(probabilities, self.num_samples)
        else:
            weights = assign.one_hot(codes, self.num_codes)
        return Assignment(codes, weights, probabilities, temperature, second)

    @property
    def _is_soft(self) -> bool:
        """Whether weights are soft now; if not, they are one-hots of the codes."""
        draws = self.config.vq_assign == "soft" and self.training
        return draws and not self.passes_through

    def _temperature(self, second_distances: Tensor | None) -> Tensor:
        """tau, or tau times the scale of distances. Shape: (G, N) -> (G,)."""
        tau = schedule.temperature(self.config, self.num_updates)
        scale = self.table.distance_scale
        if second_distances is None:
            return torch.full_like(scale, tau)
        batch = second_distances.sum(-1) / max(1, second_distances.shape[-1])
        return tau * torch.where(scale > 0, scale, batch)

    def _mix(self, found: Assignment) -> Tensor:
        """z_q = sum_j w_j e_j. Shape: (N, C)."""
        if self._is_soft:
            return join_slices(found.weights @ self.codebook)
        return look_up(self.codebook, found.codes.t())

    def _loss(self, z: Tensor, quantized: Tensor) -> Tensor:
        """beta mean (z_e - sg(z_q))^2, and mean (sg(z_e) - z_q)^2 without averages."""
        loss = self.config.vq_commitment * _mean_square(z, quantized.detach())
        if self.config.vq_update == "gradient":
            loss = loss + _mean_square(z.detach(), quantized)
        return loss

    def _gather(self, z: Tensor, found: Assignment) -> None:
        """Keeps what the M-step needs. Shape: z (N, C)."""
        if not self.passes_through:
            z = split_slices(z, self.num_slices)
            self.table.gather_(z, found.weights, found.second_distances)
        elif not self._initialized:
            self._recent.add(z)

    def _prepare(self) -> None:
        """Keeps the vectors of an update without quantization, to initialize from."""
        if self._initialized:
            return
        self._recent.close_update(like=self.table.counts)
        if self.num_updates + 1 < self.config.vq_warmup_updates:
            return
        size, rate = self._recent.totals()
        if size >= self.num_codes:
            self.table.init_from_(self._recent.gather(), rate, seed=self.num_updates)
            self._initialized = True

    def _check_finite(self, distances: Tensor) -> None:
        """Refuses NaN before it gets into the sampler or the codebook."""
        if self.training and not bool(distances.amin(-1).sum().isfinite()):
            raise ValueError(
                "`z_e` must be finite and so must the codebook, but their distances "
                f"are not in update {self.num_updates}."
            )

    @torch.no_grad()
    def _metrics(
        self, z: Tensor, quantized: Tensor, found: Assignment
    ) -> dict[str, float]:
        """Figures for the log, of this batch and of the last updates."""
        counts = found.weights.sum(1)  # (G, K)
        window = 1 / (1 - self.config.vq_decay)
        metrics = usage.as_floats(
            {
                "perplexity": usage.perplexity(counts),
                "used_codes": usage.used_share(counts),
                "posterior_entropy": usage.posterior_entropy(found.probabilities),
                "quantization_error": usage.quantization_error(z, quantized),
                "temperature": found.temperature.mean(),
                "window_perplexity": usage.perplexity(self.table.ema_counts),
                "dead_codes": usage.dead_share(self.table.idle, window),
            }
        )
        return {
            **metrics,
            "num_samples": float(self.num_samples),
            "restarted_codes": float(self._restarted),
        }

    def get_extra_state(self) -> Tensor:
        """What decides whether z_e is quantized, for the checkpoint."""
        return torch.tensor([self.num_updates, int(self._initialized)])

    def set_extra_state(self, state: Tensor) -> None:
        """Continues where `get_extra_state` left off."""
        self.num_updates, initialized = (int(value) for value in state)
        self._initialized = bool(initialized)

    def extra_repr(self) -> str:
        """The hyper-parameters on one line."""
        config = self.config
        samples = config.vq_num_samples or "exact"
        soft = f"soft, samples={samples}" if config.vq_assign == "soft" else "hard"
        return (
            f"{super().extra_repr()}, assign={soft}, "
            f"temperature={config.vq_temperature} ({config.vq_temperature_scale}), "
            f"schedule={config.vq_schedule}, "
            f"update={config.vq_update}, decay={config.vq_decay}, "
            f"commitment={config.vq_commitment}, init={config.vq_init}, "
            f"restart_after={config.vq_restart_after}, "
            f"warmup_updates={config.vq_warmup_updates}"
        )


def _mean_square(a: Tensor, b: Tensor) -> Tensor:
    """Mean over elements, 0 where there are none."""
    return F.mse_loss(a, b, reduction="sum") / max(1, a.numel())
