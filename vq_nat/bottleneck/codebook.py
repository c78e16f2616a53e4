"""Owns the M-step: the code vectors and all that moves them.

First the equations, as pure functions (a trailing `_` writes in place), then the two
codebooks, one moved by moving averages and one by the optimizer. G slices, N vectors,
K codes per slice, D code width. The sums over a batch, n_j = sum_i w_ij and
s_j = sum_i w_ij z_e(x_i), are those of weights.py. See Roy et al.,
https://arxiv.org/abs/1805.11063, and for the averages van den Oord et al.,
https://arxiv.org/abs/1711.00937, appendix A.1.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from .config import BottleneckConfig
from .data_init import cluster
from .residual import cluster_in_turn
from .slices import join_slices, look_up, split_slices
from .space import Place
from .watch import CodeUse, age_
from .weights import Weights
from .workers import all_reduce_, broadcast_, gather_rows


def ema_(average: Tensor, value: Tensor, decay: float) -> None:
    """Moves an average, in place: A <- lambda A + (1 - lambda) a."""
    average.mul_(decay).add_(value, alpha=1 - decay)


def laplace_smoothing(counts: Tensor, epsilon: float) -> Tensor:
    """Computes N~_j = (N_j + eps) / (sum N + K eps) * sum N, of which none is 0.

    Shape:
        counts (G, K) → (G, K).
    """
    total = counts.sum(-1, keepdim=True)
    return (counts + epsilon) / (total + counts.shape[-1] * epsilon) * total


def codes_of_sums(counts: Tensor, sums: Tensor, epsilon: float) -> Tensor:
    """Computes e_j = S_j / N~_j.

    Shape:
        counts (G, K), sums (G, K, D) → (G, K, D).
    """
    return sums / laplace_smoothing(counts, epsilon).unsqueeze(-1)


def sums_of_codes(counts: Tensor, codes: Tensor, epsilon: float) -> Tensor:
    """Computes S_j = e_j N~_j, the sums that belong to codes and their counts.

    Who rewrites a code must rewrite its sum too, else the next M-step undoes it.

    Shape:
        counts (G, K), codes (G, K, D) → (G, K, D).
    """
    return codes * laplace_smoothing(counts, epsilon).unsqueeze(-1)


def random_codes(config: BottleneckConfig, code_width: int) -> Tensor:
    """Draws Gaussian codes of length about 1. Shape: (G, K, D)."""
    codes = torch.randn(
        config.vq_slices, config.vq_num_codes, code_width, dtype=torch.float32
    )
    return codes / math.sqrt(code_width)


def random_rows(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws different rows, all if there are fewer. Shape: (N, C) → (count, C)."""
    order = torch.randperm(len(rows), generator=generator)[:count]
    return rows[order.to(rows.device)]


class Codebook(nn.Module):
    """Code vectors, how much each is used, and the statistics of the running update.

    The statistics are sums: they add up over batches in `gather_` and over workers in
    `m_step_`. Subclasses hold `codes` and say how they move and how they are rewritten.

    Attributes:
        codes: the code vectors e. Shape: (G, K, D).
        ema_counts: N, moving average of the vectors per update. Shape: (G, K).
        idle: updates since a code was last used or restarted. Shape: (G, K).
        distance_scale: moving average of the squared distance to the second nearest
            code; 0 before the first M-step. Shape: (G,).
        counts: n, the vectors of this update. Shape: (G, K).
        second_distances: sum of the squared distances to the second nearest code in
            this update. Shape: (G,).
        use: how long each code has not been used, restarted or not.
    """

    is_learned = False  # by a codebook loss and the optimizer
    codes: Tensor
    ema_counts: Tensor
    idle: Tensor
    distance_scale: Tensor
    counts: Tensor
    second_distances: Tensor

    def __init__(self, config: BottleneckConfig, code_width: int) -> None:
        super().__init__()
        self.decay = config.vq_decay
        self.epsilon = config.vq_epsilon
        self.restart_after = config.vq_restart_after
        self.num_slices = config.vq_slices
        self.adds_slices = config.adds_slices
        self.code_width = code_width
        shape = (config.vq_slices, config.vq_num_codes)
        # One vector each to begin with: N = S = 0 would throw unused codes to 0.
        self.register_buffer("ema_counts", torch.ones(shape, dtype=torch.float32))
        self.register_buffer("idle", torch.zeros(shape, dtype=torch.long))
        self.register_buffer(
            "distance_scale", torch.zeros(shape[0], dtype=torch.float32)
        )
        self._register_sums("counts", torch.zeros(shape, dtype=torch.float32))
        self._register_sums(
            "second_distances", torch.zeros(shape[0], dtype=torch.float32)
        )
        self.use = CodeUse(config.vq_slices, num_codes=config.vq_num_codes)
        self._window: list[Tensor] = []  # this update's vectors, for restarts

    def gather_(self, z: Tensor, weights: Weights, second_distances: Tensor) -> None:
        """Adds the statistics of one batch.

        Shape:
            z (G, N, D), second_distances (G, N).
        """
        self.counts += weights.counts()
        self.use.gather_(weights.use())
        self.second_distances += second_distances.sum(-1)
        if self.restart_after > 0:
            # The caller may write into its own vectors before the M-step.
            self._window.append(join_slices(z).clone())

    def m_step_(self, seed: int) -> int:
        """Moves the codes by all that was gathered, on all workers alike.

        Args:
            seed: seed of the restarts, the same on all workers.

        Returns:
            How many codes were restarted.
        """
        all_reduce_(self.gathered())
        restarted = 0
        if float(self.counts.sum()) > 0:
            self._count_()
            self.move_()
            restarted = self._restart_(seed)
        self.clear_()
        return restarted

    def clear_(self) -> None:
        """Clears the statistics."""
        for sums in self.gathered():
            sums.zero_()
        self._window.clear()

    def init_from_(self, vectors: Tensor, rate: float, seed: int, place: Place) -> None:
        """Makes the codes the centres of clusters of vectors.

        Args:
            vectors: at least K, the same on all workers. Shape: (N, C), or (N, D) if
                slices add up.
            rate: vectors per update, which the counts of a slice will add up to.
            seed: seed of the clustering.
            place: moves codes to where the metric wants them.
        """
        num_codes = self.counts.shape[1]
        if self.adds_slices:
            codes, counts = cluster_in_turn(
                vectors, self.num_slices, num_codes=num_codes, seed=seed
            )
        else:
            z = split_slices(vectors, self.num_slices)
            codes, counts = cluster(z, num_codes, seed=seed, place=place)
        # Workers on different devices may not round alike.
        broadcast_([codes, counts])
        counts = counts.clamp(min=1)
        counts = rate * counts / counts.sum(-1, keepdim=True)
        for index in range(self.num_slices):
            which = torch.arange(num_codes, device=codes.device)
            self.place_(index, which, codes[index], counts[index])

    def gathered(self) -> list[Tensor]:
        """The statistics, which an M-step sums over workers and then clears."""
        return [self.counts, self.use.counts, self.second_distances]

    def look_up(self, codes: Tensor) -> Tensor:
        """The vectors of codes. Shape: (N, G) → (G, N, D)."""
        return split_slices(look_up(self.codes, codes), self.num_slices)

    def write_(self, index: int, which: Tensor, codes: Tensor) -> None:
        """Overwrites some codes of slice `index`. Shape: which (n,), codes (n, D)."""
        self.codes.data[index, which] = codes

    def move_(self) -> None:
        """Moves the codes by the statistics, `ema_counts` being up to date."""
        raise NotImplementedError

    def place_(self, index: int, which: Tensor, codes: Tensor, counts: Tensor) -> None:
        """Rewrites some codes of slice `index` as if they had always stood there.

        Shape:
            which (n,), the codes to rewrite; codes (n, D); counts (n,).
        """
        self.write_(index, which, codes)
        self.ema_counts[index, which] = counts
        self.idle[index, which] = 0

    def _register_sums(self, name: str, sums: Tensor) -> None:
        """Registers statistics; they are empty between updates, so never saved."""
        self.register_buffer(name, sums, persistent=False)

    def _count_(self) -> None:
        """Moves the averages that do not depend on how codes move."""
        self.use.count_()
        age_(self.idle, self.use.counts)
        ema_(self.ema_counts, self.counts, self.decay)
        batch = self.second_distances / self.counts.sum(-1)
        moved = self.distance_scale.lerp(batch, 1 - self.decay)
        started = self.distance_scale > 0
        self.distance_scale.copy_(torch.where(started, moved, batch))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        """Takes checkpoints too that have one count for uses and restarts."""
        idle = state_dict.get(prefix + "idle", self.idle)
        state_dict.setdefault(prefix + "use.idle", idle)
        state_dict.setdefault(prefix + "use.updates", idle.max() + 1)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _restart_(self, seed: int) -> int:
        """Places codes out of use on encoder outputs of this update."""
        if self.restart_after == 0:
            return 0
        dead = self.idle >= self.restart_after  # (G, K)
        most = int(dead.sum(-1).max())
        if most == 0:
            return 0
        candidates = self._candidates(most, seed=seed)  # (G, N, D)
        # The count of one vector per update, but no more than an average code has: a
        # restarted code must be free to move.
        counts = self.ema_counts.mean(-1).clamp(max=1)  # (G,)
        generator = torch.Generator().manual_seed(seed)
        restarted = 0
        for index in range(self.num_slices):
            which = dead[index].nonzero().flatten()
            codes = random_rows(candidates[index], len(which), generator)
            which = which[: len(codes)]  # the others wait for the next update
            self.place_(index, which, codes, counts[index].expand(len(which)))
            restarted += len(which)
        return restarted

    def _candidates(self, count: int, *, seed: int) -> Tensor:
        """Joins at most `count` vectors from each worker. Shape: (G, N, D)."""
        nothing = self.counts.new_zeros(0, self.num_slices * self.code_width)
        own = torch.cat([nothing, *self._window])
        own = random_rows(own, count, torch.Generator().manual_seed(seed))
        return split_slices(gather_rows(own), self.num_slices)


class EmaCodebook(Codebook):
    """Codes that are moving averages of the encoder outputs assigned to them.

    N_j <- lambda N_j + (1 - lambda) n_j;  S_j <- lambda S_j + (1 - lambda) s_j;
    e_j = S_j / N~_j.

    Attributes:
        ema_sums: S, moving average of the sums per update. Shape: (G, K, D).
        sums: s, the sums of this update. Shape: (G, K, D).
    """

    ema_sums: Tensor
    sums: Tensor

    def __init__(self, config: BottleneckConfig, code_width: int) -> None:
        super().__init__(config, code_width)
        codes = random_codes(config, code_width)
        ema_sums = sums_of_codes(self.ema_counts, codes, self.epsilon)
        self.register_buffer("codes", codes)
        self.register_buffer("ema_sums", ema_sums)
        self._register_sums("sums", torch.zeros_like(codes))

    def gather_(self, z: Tensor, weights: Weights, second_distances: Tensor) -> None:
        """Adds the statistics of one batch.

        Shape:
            z (G, N, D), second_distances (G, N).
        """
        super().gather_(z, weights, second_distances)
        self.sums += weights.sums(z)

    def gathered(self) -> list[Tensor]:
        """The statistics, which an M-step sums over workers and then clears."""
        return [*super().gathered(), self.sums]

    def move_(self) -> None:
        """Moves the codes to their averages, `ema_counts` being up to date."""
        ema_(self.ema_sums, self.sums, self.decay)
        self.codes.copy_(codes_of_sums(self.ema_counts, self.ema_sums, self.epsilon))

    def place_(self, index: int, which: Tensor, codes: Tensor, counts: Tensor) -> None:
        """Rewrites some codes of slice `index` together with their N and S.

        Shape:
            which (n,), the codes to rewrite; codes (n, D); counts (n,).
        """
        super().place_(index, which, codes, counts)
        sums = sums_of_codes(self.ema_counts[index], self.codes[index], self.epsilon)
        self.ema_sums[index, which] = sums[which]


class GradientCodebook(Codebook):
    """Codes that are parameters, moved by the optimizer through the codebook loss."""

    is_learned = True

    def __init__(self, config: BottleneckConfig, code_width: int) -> None:
        super().__init__(config, code_width)
        self.codes = nn.Parameter(random_codes(config, code_width))

    def move_(self) -> None:
        """Leaves the codes to the optimizer."""
