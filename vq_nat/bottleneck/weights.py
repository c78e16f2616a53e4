"""Owns the weights w_ij of vector i on code j, in the two forms the E-step gives them.

Drawn weights, w_ij = (1/M) sum_l 1[z_i^l = j], have M entries a vector and stay that
sparse; the exact expectation is dense. Both answer the same five questions, so that
nobody else asks which one it is. G slices, N vectors, K codes per slice, D code width.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Draws(NamedTuple):
    """Weights of 1/M on each of M codes; one code is a hard assignment."""

    codes: Tensor
    """(G, N, M) int64."""

    num_codes: int
    """K."""

    def counts(self) -> Tensor:
        """Computes n_j = sum_i w_ij. Shape: (G, K) float32."""
        return self._hits().float() / self.codes.shape[-1]

    def use(self) -> Tensor:
        """Vectors that use each code, which is to draw it. Shape: (G, K) float32."""
        return self.counts()

    def sums(self, z: Tensor) -> Tensor:
        """Computes s_j = sum_i w_ij z_i: each code adds up a bag of vectors.

        Shape:
            z (G, N, D) → (G, K, D).
        """
        num_slices, _, num_samples = self.codes.shape
        order = self._rows().flatten().argsort(stable=True)  # the draws, code by code
        vectors = z.reshape(-1, z.shape[-1])  # (G N, D)
        sizes = self._hits().flatten()
        starts = sizes.cumsum(0) - sizes
        bags = F.embedding_bag(order // num_samples, vectors, starts, mode="sum")
        return bags.view(num_slices, self.num_codes, -1) / num_samples

    def mix(self, codebook: Tensor) -> Tensor:
        """Computes z_q = sum_j w_ij e_j: the mean of M codes.

        Shape:
            codebook (G, K, D) → (G, N, D).
        """
        num_slices, _, num_samples = self.codes.shape
        rows = self._rows().view(-1, num_samples)  # (G N, M)
        vectors = F.embedding_bag(rows, codebook.flatten(0, 1), mode="mean")
        return vectors.view(num_slices, -1, codebook.shape[-1])

    def dense(self) -> Tensor:
        """Writes out all w_ij. Shape: (N, G, K) float32."""
        codes = self.codes.transpose(0, 1)  # (N, G, M)
        weights = torch.zeros(
            *codes.shape[:2], self.num_codes, dtype=torch.float32, device=codes.device
        )
        share = torch.tensor(
            1 / codes.shape[-1], dtype=torch.float32, device=codes.device
        )
        return weights.scatter_add_(-1, codes, share.expand_as(codes))

    def _rows(self) -> Tensor:
        """The codes as rows of a table of all slices' codes. Shape: (G, N, M)."""
        slices = torch.arange(len(self.codes), device=self.codes.device)
        return self.codes + self.num_codes * slices[:, None, None]

    def _hits(self) -> Tensor:
        """How often each code was drawn. Shape: (G, K) int64."""
        size = len(self.codes) * self.num_codes
        hits = torch.bincount(self._rows().flatten(), minlength=size)
        return hits.view(-1, self.num_codes)


class Expectation(NamedTuple):
    """Weights that are the posterior itself, w_ij = p(j | z_i): the limit of many M."""

    probabilities: Tensor
    """(G, N, K)."""

    codes: Tensor
    """(G, N) int64, the most probable ones."""

    def counts(self) -> Tensor:
        """Computes n_j = sum_i w_ij. Shape: (G, K)."""
        return self.probabilities.sum(dim=1)

    def use(self) -> Tensor:
        """Vectors that use each code, which is to find it the most probable.

        No probability is 0: by weight, no code would ever be out of use.

        Shape:
            (G, K) float32.
        """
        return Draws(self.codes.unsqueeze(-1), self.probabilities.shape[-1]).counts()

    def sums(self, z: Tensor) -> Tensor:
        """Computes s_j = sum_i w_ij z_i. Shape: z (G, N, D) → (G, K, D)."""
        return self.probabilities.transpose(1, 2) @ z

    def mix(self, codebook: Tensor) -> Tensor:
        """Computes z_q = sum_j w_ij e_j. Shape: codebook (G, K, D) → (G, N, D)."""
        return self.probabilities @ codebook

    def dense(self) -> Tensor:
        """Writes out all w_ij. Shape: (N, G, K)."""
        return self.probabilities.transpose(0, 1)


Weights = Draws | Expectation


def join(parts: list[Weights]) -> Weights:
    """Joins the weights of several slices; they are all of one form."""
    first = parts[0]
    codes = torch.cat([part.codes for part in parts])
    if isinstance(first, Draws):
        return Draws(codes, first.num_codes)
    dense = [part.probabilities for part in parts if isinstance(part, Expectation)]
    return Expectation(torch.cat(dense), codes)
