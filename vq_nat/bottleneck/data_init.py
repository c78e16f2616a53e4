"""Owns the first codebook, from data: the vectors kept for it and their clustering.

The clustering is k-means with the seeding of Arthur & Vassilvitskii, "k-means++: The
Advantages of Careful Seeding", 2007. G slices, N vectors, K codes, D code width.
"""

from collections import deque

import torch
from torch import Tensor, nn

from .assign import squared_distances
from .space import Place, anywhere
from .workers import all_reduce_, gather_rows, num_workers

# Vectors kept per code, by all workers together: enough for means, little to store.
_VECTORS_PER_CODE = 8
# The K centres are drawn in this many rounds, each of them one matrix product.
_SEEDING_ROUNDS = 64
_LLOYD_ITERATIONS = 5


class RecentVectors(nn.Module):
    """The encoder outputs of this worker's last updates.

    They are saved with the model, so that a resumed warm-up ends as an unbroken one. Of
    several workers a training loop usually saves the first: when resumed, all of them
    go on with its vectors.

    Args:
        width: width C of the vectors.
        num_codes: codes K to be initialized, which decides how many vectors are kept.
    """

    def __init__(self, width: int, *, num_codes: int) -> None:
        super().__init__()
        self.width = width
        self.num_codes = num_codes
        self.batches: list[Tensor] = []  # of the update now running
        self.updates: deque[Tensor] = deque()

    def add(self, z: Tensor) -> None:
        """Adds the vectors of one batch. Shape: (N, C)."""
        self.batches.append(z.clone())  # the caller may write into its own

    def close_update(self, like: Tensor) -> None:
        """Ends an update, maybe an empty one, and drops what is too old.

        Args:
            like: any tensor of the vectors' type and on their device.
        """
        nothing = like.new_zeros(0, self.width)
        new = torch.cat([nothing, *self.batches])
        self.batches.clear()
        # A checkpoint's vectors may have been loaded to another device.
        self.updates = deque(update.to(new) for update in [*self.updates, new])
        capacity = -(-_VECTORS_PER_CODE * self.num_codes // num_workers())
        size = sum(len(update) for update in self.updates)
        while size - len(self.updates[0]) >= capacity:
            size -= len(self.updates.popleft())

    def totals(self) -> tuple[int, float]:
        """Counts all workers' vectors, and them per update."""
        size = sum(len(update) for update in self.updates)
        totals = self.updates[0].new_tensor([size, size / len(self.updates)])
        all_reduce_([totals])
        return int(totals[0]), float(totals[1])

    def gather(self) -> Tensor:
        """Joins all workers' vectors and forgets them. Shape: (N, C)."""
        vectors = gather_rows(torch.cat(list(self.updates)))
        self.updates.clear()
        return vectors

    def get_extra_state(self) -> Tensor:
        """The number of updates, that of vectors in each, and then these, in a row."""
        sizes = [len(update) for update in self.updates]
        head = torch.tensor([len(sizes), *sizes], dtype=torch.float32)
        return torch.cat([head, *(update.flatten().cpu() for update in self.updates)])

    def set_extra_state(self, state: Tensor) -> None:
        """Continues where `get_extra_state` left off."""
        end = 1 + int(state[0])
        sizes = state[1:end].long().tolist()
        self.updates = deque(state[end:].view(-1, self.width).split(sizes))


def cluster(
    z: Tensor, num_codes: int, *, seed: int, place: Place = anywhere
) -> tuple[Tensor, Tensor]:
    """Clusters each slice: k-means++ seeding, then a few iterations of Lloyd.

    `place` moves the centres to where codes may stand.

    Shape:
        z (G, N, D), N at least K → codes (G, K, D) and counts (G, K).
    """
    generator = torch.Generator(z.device).manual_seed(seed)
    codes, counts = [], []
    for vectors in z:
        centres = kmeans_plus_plus(vectors, num_codes, generator)
        for _ in range(_LLOYD_ITERATIONS):
            centres = place(lloyd_step(vectors, centres))
        _, index = nearest(vectors, centres)
        codes.append(centres)
        counts.append(torch.bincount(index, minlength=num_codes).to(z.dtype))
    return torch.stack(codes), torch.stack(counts)


def kmeans_plus_plus(z: Tensor, num_codes: int, generator: torch.Generator) -> Tensor:
    """Draws centres among the vectors, with odds d(z_i)^2 to the nearest one so far.

    One centre at a time would cost K passes over the data. So from 128 codes on several
    are drawn per round; with fewer this is k-means++ to the letter.

    Shape:
        z (N, D) → (K, D).
    """
    per_round = max(1, num_codes // _SEEDING_ROUNDS)
    first = torch.randint(len(z), (1,), generator=generator, device=z.device)
    codes = z[first]
    distances, _ = nearest(z, codes)
    while len(codes) < num_codes:
        # The floor keeps duplicates eligible when nothing else is left.
        odds = distances.clamp(min=1e-12 * float(distances.mean()) + 1e-30)
        count = min(per_round, num_codes - len(codes))
        new = z[torch.multinomial(odds, count, generator=generator)]
        distances = torch.minimum(distances, nearest(z, new)[0])
        codes = torch.cat([codes, new])
    return codes


def lloyd_step(z: Tensor, codes: Tensor) -> Tensor:
    """Moves each code to the mean of its vectors; without any it stays where it is.

    Shape:
        z (N, D), codes (K, D) → (K, D).
    """
    _, index = nearest(z, codes)
    counts = torch.bincount(index, minlength=len(codes)).unsqueeze(-1)  # (K, 1)
    sums = torch.zeros_like(codes).index_add_(0, index, z)
    return torch.where(counts > 0, sums / counts.clamp(min=1), codes)


def nearest(z: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance to the nearest code and its index, in bounded memory.

    Shape:
        z (N, D), codes (K, D) → (N,) and (N,) int64.
    """
    parts = squared_distances(z.unsqueeze(0), codes.unsqueeze(0))
    pairs = [distances[0].min(-1) for distances in parts]
    distances = torch.cat([part.values for part in pairs])
    return distances, torch.cat([part.indices for part in pairs])
