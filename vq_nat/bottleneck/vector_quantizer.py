"""Owns vector quantization: one E-step per forward pass, one M-step per update."""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import assign, schedule, usage
from .base import Bottleneck, BottleneckOutput
from .codebook import Codebook, EmaCodebook, GradientCodebook
from .config import BottleneckConfig
from .data_init import RecentVectors
from .gradients import GRADIENTS, STRAIGHT
from .linear_codebook import LinearCodebook
from .members import register_bottleneck
from .noise import replace_some
from .prior import Prior, rate
from .residual import assign_in_turn
from .slices import join_slices
from .space import CodeSpace
from .validity import require
from .watch import CollapseWatch

_CODEBOOKS: dict[str, type[Codebook]] = {
    "ema": EmaCodebook,
    "gradient": GradientCodebook,
    "linear": LinearCodebook,
}


@register_bottleneck("vq")
class VectorQuantizer(Bottleneck):
    """Expectation maximization over a codebook, in mini-batches.

    E-step, in `forward`: the codes of z_e are the nearest one (hard), or M draws from
    softmax_j(-||z_e - e_j||^2 / tau) (soft). The decoder sees
    z_q = (1/M) sum_l e_{z^l}, and its gradient goes to z_e unchanged.

    M-step, in `m_step`: each code moves towards the mean of the encoder outputs
    assigned to it, by moving averages or by a codebook loss; see `codebook.py`.

    The axes are free of each other: `vq_assign`, `vq_update`, `vq_slices`, and what
    makes the space of the codes, `vq_code_dim` and `vq_metric` (see `space.py`): all of
    the above, z_e included, is meant in that space. Slices cut the width, which is also
    known as grouped VQ, or with `vq_slicing` "residual" add up (see `residual.py`).
    With hard assignment `vq_gradient` names other ways past it (see `gradients.py`).
    Evaluation takes the nearest code and moves nothing.

    Call, per update: `set_num_updates(n)`, any number of `forward`, `m_step()`.
    """

    added_state = ("recent._extra_state",)
    takes_prior = True
    can_add_slices = True

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.space = CodeSpace(config, width)
        code_width = self.space.code_width
        self.table: Codebook = _CODEBOOKS[config.vq_update](config, code_width)
        self._initialized = config.vq_init == "random"
        width_inside = self.space.num_parts * code_width
        self.recent = RecentVectors(width_inside, num_codes=self.num_codes)
        self._restarted = 0
        self._collapse = CollapseWatch(self.window)

    @classmethod
    def check_options(cls, config: BottleneckConfig) -> None:
        """Refuses axes that do not go together."""
        require(
            config.vq_gradient == "straight" or config.vq_assign == "hard",
            f"`vq_assign` must be 'hard' with `vq_gradient` {config.vq_gradient!r}",
            repr(config.vq_assign),
        )
        require(
            not config.adds_slices or config.vq_metric == "euclidean",
            "`vq_metric` must be 'euclidean' with `vq_slicing` 'residual'",
            repr(config.vq_metric),
        )
        require(
            config.vq_update != "linear" or config.vq_restart_after == 0,
            "`vq_restart_after` must be 0 with `vq_update` 'linear'",
            config.vq_restart_after,
        )

    @property
    def codebook(self) -> Tensor:
        """What the decoder sees of each code. Shape: (G, K, D), float32."""
        codes = self._codes
        with torch.autocast(codes.device.type, enabled=False):
            return self.space.show(codes)

    @property
    def _codes(self) -> Tensor:
        """The code vectors in their space. Shape: (G, K, code width)."""
        with torch.autocast(self.table.counts.device.type, enabled=False):
            return self.space.place(self.table.codes)

    def lookup(self, codes: Tensor) -> Tensor:
        """Turns codes into what the decoder sees, float32.

        Shape:
            codes (B, L, G) → (B, L, C).
        """
        self.check_codes(codes)
        with torch.autocast(codes.device.type, enabled=False):
            vectors = self.space.place(self.table.look_up(codes.flatten(0, 1)))
            shown = self.space.leave(self.space.merge(vectors))
        return shown.view(*codes.shape[:2], self.width)

    @property
    def passes_through(self) -> bool:
        """Whether z_e still passes unquantized: warm-up, or no codebook yet."""
        warming_up = self.num_updates < self.config.vq_warmup_updates
        return warming_up or not self._initialized

    @property
    def num_samples(self) -> int | None:
        """M, now: 0 if the expectation is exact, None if the assignment is hard."""
        if self.config.vq_assign == "hard" or not self.training or self.passes_through:
            return None
        return schedule.num_samples(self.config, self.num_updates)

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Assigns N vectors to codes and gathers the statistics of that.

        Shape:
            z (N, C); the record's fields (N, C), (N, G) and (N, G, K).
        """
        return self.quantize_by(z, None)

    def quantize_by(self, z: Tensor, prior: Prior | None) -> BottleneckOutput:
        """Does the same with a prior of the codes, (G, N, K)."""
        z = self.space.enter(z)  # (P, N, code width)
        codes = self._codes
        # what each slice sees: (G, N, code width)
        seen, assigned, temperature = self._assign(z, codes, prior)
        self.check_finite(assigned.distances)
        quantized = assigned.weights.mix(codes)
        metrics = self._metrics(z, self.space.merge(quantized), assigned, temperature)
        if self.gathers:
            self._gather(z.detach(), seen.detach(), assigned)
        loss = self._loss(seen, quantized)
        if prior is not None:
            bits = rate(seen, codes, temperature, prior.log_probs)
            loss = loss + prior.rate * bits
            metrics |= {"rate": float(bits.detach()), "prior_weight": prior.weight}
        if self.training and self.config.vq_code_noise and not self.passes_through:
            share, nearest = self.config.vq_code_noise, self.config.vq_noise_codes
            quantized = replace_some(seen.detach(), quantized, codes, share, nearest)
        merged = self.space.merge(quantized)
        if self.passes_through:
            # Times 0 rather than 0: every parameter keeps its place in the graph.
            merged, loss = z, 0.0 * (loss + merged.sum())
        else:
            gradient = GRADIENTS[self.config.vq_gradient if self.training else STRAIGHT]
            merged = gradient(z, merged, self.config.vq_gradient_noise)
        return BottleneckOutput(
            quantized=self.space.leave(merged),
            codes=assigned.codes.t(),
            weights=assigned.weights.dense(),
            loss=loss,
            metrics=metrics,
        )

    def apply_gathered(self) -> None:
        """Moves the codebook, on all workers alike."""
        if self.passes_through:
            self._prepare()
        else:
            self._restarted = self.table.m_step_(seed=self.num_updates)
            self._collapse.look(self.table.use.idle, self.num_updates)

    def discard(self) -> None:
        """Clears what was gathered since the last M-step."""
        self.table.clear_()
        self.recent.batches.clear()

    def _assign(
        self, z: Tensor, codes: Tensor, prior: Prior | None
    ) -> tuple[Tensor, assign.Assignment, Tensor]:
        """Makes the E-step, for all slices at once or one after the other.

        Shape:
            z (P, N, D), codes (G, K, D) → what each slice sees (G, N, D), its
            assignment, and the temperatures (G,).
        """
        added = None if prior is None else prior.weight * prior.log_probs
        scale = self.table.distance_scale
        if not self.config.adds_slices:
            with torch.no_grad():
                assigned = self._e_step(z, codes, scale, added)
            return z, *assigned
        temperatures = []

        @torch.no_grad()
        def e_step(rest: Tensor, index: int) -> assign.Assignment:
            one = slice(index, index + 1)
            own = None if added is None else added[one]
            assigned, temperature = self._e_step(rest, codes[one], scale[one], own)
            temperatures.append(temperature)
            return assigned

        seen, joined = assign_in_turn(z, codes, e_step)
        return seen, joined, torch.cat(temperatures)

    def _e_step(
        self, z: Tensor, codes: Tensor, scale: Tensor, added: Tensor | None
    ) -> tuple[assign.Assignment, Tensor]:
        temperature = self._temperature(z, codes, scale)
        assigned = assign.e_step(z, codes, temperature, self.num_samples, added)
        return assigned, temperature

    def _temperature(self, z: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
        """tau, or tau times the scale of distances. Shape: z (G, N, D) → (G,)."""
        tau = schedule.temperature(self.config, self.num_updates)
        if self.config.vq_temperature_scale == "absolute":
            return torch.full_like(scale, tau)
        if bool((scale > 0).all()):
            return tau * scale
        # Before the first M-step each batch has a scale of its own.
        distances = assign.second_nearest_distances(z, codes)
        return tau * distances.sum(-1) / max(1, distances.shape[-1])

    def _loss(self, z: Tensor, quantized: Tensor) -> Tensor:
        """Computes β mean (z_e - sg(z_q))^2, without averages + mean (sg(z_e) - z_q)^2.

        The latter not with diveq, by which codes learn from the decoder.
        """
        loss = self.config.vq_commitment * _mean_square(z, quantized.detach())
        if self.table.is_learned and self.config.vq_gradient != "diveq":
            loss = loss + _mean_square(z.detach(), quantized)
        return loss

    def _gather(self, z: Tensor, seen: Tensor, assigned: assign.Assignment) -> None:
        """Keeps what the M-step needs. Shape: z (P, N, D), seen (G, N, D)."""
        if not self.passes_through:
            self.table.gather_(seen, assigned.weights, assigned.second_distances)
        elif not self._initialized:
            self.recent.add(join_slices(z))

    def _prepare(self) -> None:
        """Keeps the vectors of an update without quantization, to initialize from."""
        if self._initialized:
            return
        self.recent.close_update(like=self.table.counts)
        if self.num_updates + 1 < self.config.vq_warmup_updates:
            return
        size, rate = self.recent.totals()
        if size >= self.num_codes:
            vectors, seed = self.recent.gather(), self.num_updates
            self.table.init_from_(vectors, rate, seed, self.space.place)
            self._initialized = True

    @torch.no_grad()
    def _metrics(
        self,
        z: Tensor,
        quantized: Tensor,
        assigned: assign.Assignment,
        temperature: Tensor,
    ) -> dict[str, float]:
        """Figures for the log, of this batch and of the last updates."""
        counts = assigned.weights.counts()  # (G, K)
        metrics = usage.as_floats(
            {
                "perplexity": usage.perplexity(counts),
                "used_codes": usage.used_share(assigned.weights.use()),
                "posterior_entropy": assigned.entropy,
                "quantization_error": usage.quantization_error(z, quantized),
                "temperature": temperature.mean(),
                "window_perplexity": usage.perplexity(self.table.ema_counts),
                **self.table.use.figures(self.window),
            }
        )
        return {
            **metrics,
            "num_samples": 1.0 if self.num_samples is None else float(self.num_samples),
            "restarted_codes": float(self._restarted),
            "unquantized": float(self.passes_through),
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
            f"{super().extra_repr()}, code_dim={self.space.code_width}, "
            f"metric={config.vq_metric}, assign={soft}, "
            f"temperature={config.vq_temperature} ({config.vq_temperature_scale}), "
            f"schedule={config.vq_schedule}, "
            f"slicing={config.vq_slicing}, gradient={config.vq_gradient}, "
            f"update={config.vq_update}, decay={config.vq_decay}, "
            f"commitment={config.vq_commitment}, init={config.vq_init}, "
            f"restart_after={config.vq_restart_after}, "
            f"warmup_updates={config.vq_warmup_updates}"
        )


def _mean_square(a: Tensor, b: Tensor) -> Tensor:
    """Mean over elements, 0 where there are none."""
    return F.mse_loss(a, b, reduction="sum") / max(1, a.numel())
