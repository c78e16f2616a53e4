# %% [markdown]
# Codes by hand: three small lessons, each of which checks what it says.
#
#     python examples/tutorial.py                                 # all of it
#     python examples/tutorial.py --model runs/demo/student --sentence "Half past two."
#
# Run as a file, or cell by cell in an editor that knows `# %%`.
#
# 1. From text to codes, and to the words of a swapped code.
# 2. The bottleneck on vectors of your own: EM finds clusters.
# 3. A member of the family that you wrote, in the same loop.

# %%
"""From text to codes to a swapped code; EM on your vectors; a member of your own."""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

import vq_nat
from vq_nat.bottleneck import (
    Bottleneck,
    BottleneckConfig,
    BottleneckOutput,
    build_bottleneck,
    perplexity,
    register_bottleneck,
    straight_through,
)
from vq_nat.inspected import parts_of

# The small model that the tests keep learned to copy letters, more or less.
KEPT = Path(vq_nat.__file__).parents[1] / "tests" / "data" / "0.1.0" / "packed"

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", default=KEPT, help="what `vq_nat.load` reads")
parser.add_argument("--sentence", default="a b c d e f", help="to translate")
# In a notebook the arguments are those of its kernel.
options = parser.parse_args([] if "ipykernel" in sys.modules else None)

# %% [markdown]
# ## 1. Text → codes → words
#
# A model with latent variables predicts a few codes from the source, one after the
# other, and then writes all words at once: those of a chunk from its code, and from
# what stands beside it. `codes` gives the codes, `inspect` takes a translation apart.

# %%
translator = vq_nat.load(options.model)
sentence = options.sentence
codes = translator.codes([sentence])[0]  # L steps of G codes
(inspection,) = translator.inspect([sentence])
chunks = parts_of(
    inspection.tokens, len(codes), words_per_code=inspection.words_per_code
)

print(f"{sentence!r} becomes {inspection.text!r}")
for step, words in zip(inspection.steps, chunks):
    print(f"  code {step.codes}, probability {step.probability:.2f}: {words}")

# The codes are all that lies between source and words, so giving them back changes
# nothing.
assert inspection.codes == codes
assert translator.inspect([sentence], codes=[codes])[0].text == inspection.text

# %% [markdown]
# Now each code is swapped, one at a time, for those that the predictor found next best.

# %%
swaps = [
    (place, rival.codes)
    for place, step in enumerate(inspection.steps)
    for rival in step.rivals
]
others = translator.inspect(
    [sentence] * len(swaps),
    codes=[codes[:place] + [rival] + codes[place + 1 :] for place, rival in swaps],
)

own, beside = [], []  # whether a swap changed its own chunk; how many of the others
for (place, rival), other in zip(swaps, others):
    swapped = parts_of(other.tokens, len(codes), words_per_code=other.words_per_code)
    changed = [new != old for new, old in zip(swapped, chunks)]
    own.append(changed[place])
    beside.append((sum(changed) - changed[place]) / max(1, len(codes) - 1))
    print(f"  {codes[place]} → {rival}: {chunks[place]} → {swapped[place]}")

own_share, beside_share = sum(own) / len(own), sum(beside) / len(beside)
print(
    f"changed: {own_share:.0%} of the swapped chunks, {beside_share:.0%} of the others"
)

# A code stands for its chunk: swapping it changes that one sooner than those beside it.
assert own_share > beside_share

# %% [markdown]
# ## 2. The bottleneck on vectors of your own
#
# It needs torch alone. Here are vectors around eight points, without saying whose each
# is; put your own in their place, of shape (B, L, C). Nothing else is learned here: in
# a model an encoder makes the vectors, a decoder reads `out.quantized`, and the
# optimizer steps before `m_step`.

# %%
torch.manual_seed(1)
POINTS, EACH, WIDTH = 8, 50, 4
points = 4 * torch.randn(POINTS, WIDTH)
owner = torch.arange(POINTS).repeat(EACH)  # (N,)
vectors = (points[owner] + 0.3 * torch.randn(len(owner), WIDTH)).unsqueeze(0)


def train(bottleneck: Bottleneck, updates: int = 60) -> Tensor:
    """Moves the codes by EM on `vectors`, and prints how they fare.

    Returns:
        The codes of the vectors at the end. Shape: (N,).
    """
    for update in range(updates):
        bottleneck.train()
        out = bottleneck(vectors)  # E-step: a code for each vector
        bottleneck.m_step()  # M-step: each code moves to its vectors
        if update % 20 == 0 or update == updates - 1:
            bottleneck.eval()
            out = bottleneck(vectors)
            used = perplexity(out.weights.sum((0, 1)))  # counts (G, K)
            print(f"  {update + 1:3}: perplexity {used:.2f}, error {error(out):.3f}")
    return out.codes[0, :, 0]


def error(out: BottleneckOutput) -> float:
    """Mean squared distance between vectors and their codes."""
    return float((vectors - out.quantized).square().sum(-1).mean())


def agreement(codes: Tensor) -> float:
    """Share of the vectors that have the code most frequent at their point."""
    table = torch.zeros(POINTS, int(codes.max()) + 1)
    table.index_put_((owner, codes), torch.ones(len(codes)), accumulate=True)
    return float(table.max(1).values.sum() / len(codes))


# %% [markdown]
# Random codes at first, hard assignment, and codes that nobody chose for a while start
# again from a vector. Perplexity is the number of codes in use, if all were used alike.

# %%
em = build_bottleneck(
    BottleneckConfig(
        vq_num_codes=16, vq_assign="hard", vq_decay=0.8, vq_restart_after=5
    ),
    width=WIDTH,
).eval()
before = em(vectors)
print("EM by moving averages")
em_codes = train(em)
after = em(vectors)

for code in em_codes.unique():
    print(f"  code {code:2} is of point {owner[em_codes == code].unique().tolist()}")

assert error(after) < error(before) / 2
# No code is of two points: the codes tell the points apart, which nobody told them.
assert all(len(owner[em_codes == code].unique()) == 1 for code in em_codes.unique())


# %% [markdown]
# ## 3. A member of your own
#
# A member says how vectors become codes (`quantize_rows`) and which vectors are behind
# these (`codebook`); the base class sees to padding, precision and shapes. This one is
# MacQueen's k-means (1967), an update at a time: a code is the mean of all vectors it
# ever had. It starts from vectors that are far from each other.
#
# After this cell `--vq-kind running` serves in fairseq too, if the module is imported
# there; vq_nat/bottleneck/README.md says how, and how a package offers a member.


# %%
@register_bottleneck("running")
class RunningMeans(Bottleneck):
    """Each code is the mean of all vectors that ever chose it; one slice."""

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__(config, width)
        self.sums = nn.Buffer(torch.zeros(config.vq_num_codes, width))
        self.counts = nn.Buffer(torch.zeros(config.vq_num_codes))
        self.new: list[tuple[Tensor, Tensor]] = []  # codes and vectors of this update

    @property
    def codebook(self) -> Tensor:
        """Sums by counts. Shape: (1, K, C)."""
        return (self.sums / self.counts.clamp(min=1).unsqueeze(-1)).unsqueeze(0)

    def quantize_rows(self, z: Tensor) -> BottleneckOutput:
        """Takes the nearest code. Shape: (N, C), see the base class."""
        if not self.counts.any():
            self.start(z.detach())
        codes = torch.cdist(z, self.codebook[0]).argmin(-1, keepdim=True)  # (N, 1)
        if self.gathers:
            self.new.append((codes[:, 0], z.detach()))
        quantized = straight_through(z, self.lookup(codes))
        weights = nn.functional.one_hot(codes, self.num_codes).float()
        loss = self.config.vq_commitment * (z - quantized.detach()).square().mean()
        return BottleneckOutput(quantized, codes, weights, loss, {})

    def apply_gathered(self) -> None:
        """Adds the update's vectors to the means (M-step)."""
        for codes, z in self.new:
            self.sums.index_add_(0, codes, z)
            self.counts.index_add_(0, codes, torch.ones(len(z)))
        self.discard()

    def discard(self) -> None:
        """Forgets them."""
        self.new.clear()

    def start(self, z: Tensor) -> None:
        """Takes as codes vectors of which each is the farthest from those before."""
        chosen = z[:1]
        while len(chosen) < self.num_codes:
            nearest = torch.cdist(z, chosen).min(-1).values
            chosen = torch.cat([chosen, z[nearest.argmax()][None]])
        self.sums.copy_(chosen)
        self.counts.fill_(1)


# %%
own_member = build_bottleneck(
    BottleneckConfig(vq_kind="running", vq_num_codes=POINTS), width=WIDTH
)
print("a member from outside, in the same loop")
own_codes = train(own_member)
print(f"{agreement(own_codes):.0%} of the vectors have the code of their point")

# As many codes as points, one for each, in its middle.
assert isinstance(own_member, RunningMeans)
assert agreement(own_codes) == 1 and len(own_codes.unique()) == POINTS
