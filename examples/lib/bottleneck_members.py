"""Owns the members of the family that are timed beside vector-quantize-pytorch's.

Each has our options and, where it has one, the other library's module of the same
equations and sizes, without further features. A step is what an update costs: forward
and backward in training mode, and the M-step.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from vq_nat.bottleneck import BottleneckConfig, Prior, build_bottleneck
from vq_nat.results import tables as report

Row = Mapping[str, Any]
Step = Callable[[torch.Tensor], object]
SLICES = 4
COMMITMENT = 0.25
PEER = "vector-quantize-pytorch: "  # before the name of a member


class Member(NamedTuple):
    """What is compared."""

    options: dict[str, Any]  # of BottleneckConfig, without `vq_`
    peer: Callable[[Namespace], torch.nn.Module] | None = None


def vector_quantize(**options: Any) -> Callable[[Namespace], torch.nn.Module]:
    """Returns a builder of their VQ."""

    def build(args: Namespace) -> torch.nn.Module:
        from vector_quantize_pytorch import VectorQuantize

        arguments = {**PLAIN, "rotation_trick": False, **options}
        if arguments.get("heads"):
            arguments["codebook_dim"] = args.width // arguments["heads"]
        return VectorQuantize(args.width, args.codes, **arguments)

    return build


def residual(args: Namespace) -> torch.nn.Module:
    """Builds their residual VQ."""
    from vector_quantize_pytorch import ResidualVQ

    return ResidualVQ(
        dim=args.width,
        num_quantizers=SLICES,
        codebook_size=args.codes,
        rotation_trick=False,
        **PLAIN,
    )


def simvq(args: Namespace) -> torch.nn.Module:
    """Builds their SimVQ."""
    from vector_quantize_pytorch import SimVQ

    return SimVQ(args.width, args.codes, rotation_trick=False)


def fsq(args: Namespace) -> torch.nn.Module:
    """Builds their FSQ."""
    from vector_quantize_pytorch import FSQ

    levels = [int(level) for level in levels_of(args.codes).split(",")]
    return FSQ(levels, dim=args.width)


def lfq(spherical: bool) -> Callable[[Namespace], torch.nn.Module]:
    """Returns a builder of their LFQ, or BSQ."""

    def build(args: Namespace) -> torch.nn.Module:
        from vector_quantize_pytorch import LFQ

        return LFQ(
            dim=args.width,
            codebook_size=args.codes,
            commitment_loss_weight=COMMITMENT,
            spherical=spherical,
        )

    return build


PLAIN: dict[str, Any] = {
    "kmeans_init": False,
    "threshold_ema_dead_code": 0,
    "decay": 0.999,
    "eps": 1e-5,
    "commitment_weight": COMMITMENT,
}
HARD = {"assign": "hard"}
MEMBERS: dict[str, Member] = {
    "hard EM": Member(HARD, vector_quantize()),
    "grouped, 4 slices": Member(
        {**HARD, "slices": SLICES},
        vector_quantize(heads=SLICES, separate_codebook_per_head=True),
    ),
    "residual, 4 slices": Member(
        {**HARD, "slices": SLICES, "slicing": "residual"}, residual
    ),
    "rotation trick": Member(
        {**HARD, "gradient": "rotation"}, vector_quantize(rotation_trick=True)
    ),
    "DiVeQ": Member(
        {**HARD, "gradient": "diveq"},
        # Theirs wants codes revived; none is that seldom used.
        vector_quantize(directional_reparam=True, threshold_ema_dead_code=1e-30),
    ),
    "SimVQ": Member({**HARD, "update": "linear"}, simvq),
    "FSQ": Member({"kind": "fsq"}, fsq),
    "LFQ": Member({"kind": "lfq", "temperature": 0.01}, lfq(spherical=False)),
    "BSQ": Member(
        {"kind": "lfq", "metric": "cosine", "temperature": 0.01}, lfq(spherical=True)
    ),
    "semantic hashing": Member({"kind": "semhash"}),
    "Gumbel-softmax": Member({"kind": "gumbel", "kl_weight": 0.1}),
    "soft EM, M = 10": Member({"num_samples": 10}),
    "soft EM, M = 10, with a prior and its rate": Member({"num_samples": 10}),
}
WITH_PRIOR = "soft EM, M = 10, with a prior and its rate"


def names() -> list[str]:
    """Lists what is measured, each member followed by its peer."""
    pairs = [
        (name, PEER + name) if member.peer else (name,)
        for name, member in MEMBERS.items()
    ]
    return [name for pair in pairs for name in pair]


def levels_of(codes: int) -> str:
    """Returns levels of FSQ for a number of codes that is a power of two."""
    bits = codes.bit_length() - 1
    parts = [3] * (bits // 3) + [bits % 3] * (bits % 3 > 0)
    if parts[-2:] == [3, 1]:  # two levels are few
        parts[-2:] = [2, 2]
    return ",".join(str(2**part) for part in parts)


def options_of(name: str, codes: int) -> dict[str, Any]:
    """Returns the fields of BottleneckConfig for a member."""
    options = {"num_codes": codes, "levels": levels_of(codes), **MEMBERS[name].options}
    return {f"vq_{key}": value for key, value in options.items()}


# ------------------------------------------------------------------------------- steps


def build_step(name: str, args: Namespace) -> Step:
    """Builds a member or a peer; what it returns takes vectors (1, N, C)."""
    if name.startswith(PEER):
        peer = MEMBERS[name.removeprefix(PEER)].peer
        assert peer is not None  # none of the names has none
        return their_step(peer(args).train().to(args.device))
    return our_step(name, args)


def their_step(module: torch.nn.Module) -> Step:
    """Returns a step of one of their modules, whose loss, if any, comes third."""

    def step(z: torch.Tensor) -> None:
        outputs = module(z.detach().requires_grad_())
        losses = outputs[2].sum() if len(outputs) > 2 else 0.0
        (outputs[0].sum() + losses).backward()
        module.zero_grad()

    return step


def our_step(name: str, args: Namespace) -> Step:
    """Returns a step of one of our members."""
    config = BottleneckConfig(**options_of(name, args.codes))
    bottleneck = build_bottleneck(config, args.width).train().to(args.device)
    prior = None
    if name == WITH_PRIOR:
        logits = torch.randn(1, args.n, 1, args.codes, device=args.device)
        prior = Prior(torch.log_softmax(logits, -1), weight=0.3, rate=0.1)

    def step(z: torch.Tensor) -> None:
        own = prior
        if own is not None:
            own = own._replace(log_probs=own.log_probs[:, : z.shape[1]])
        out = bottleneck(z.detach().requires_grad_(), None, own)
        (out.quantized.sum() + out.loss).backward()
        bottleneck.zero_grad()
        bottleneck.m_step()

    return step


# ------------------------------------------------------------------------------- table


def table(rows: Sequence[Row]) -> str:
    """Returns a line for each member, with its peer beside it."""
    by_name = {row["system"]: row for row in rows}
    own = [by_name[name] for name in MEMBERS if name in by_name]

    def beside(figure: Callable[[Row], str]) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            peer = by_name.get(PEER + row["system"])
            return figure(peer) if peer else report.NOTHING

        return cell

    def times(row: Row) -> str:
        peer = by_name.get(PEER + row["system"])
        if peer is None:
            return report.NOTHING
        return f"{milliseconds(row) / milliseconds(peer):.2f}"

    columns: list[report.Column[Row]] = [
        ("member", lambda row: row["system"]),
        ("ms a step", lambda row: f"{milliseconds(row):.1f}"),
        ("theirs", beside(lambda row: f"{milliseconds(row):.1f}")),
        ("× theirs", times),
        ("extra MiB", mebibytes),
        ("theirs", beside(mebibytes)),
    ]
    return report.markdown(columns, own)


def milliseconds(row: Row) -> float:
    """Returns the median time of a step."""
    return 1000 * float(row["seconds"]["median"])


def mebibytes(row: Row) -> str:
    """Writes the extra memory of a step."""
    return f"{row['extra_bytes'] / 2**20:.0f}"
