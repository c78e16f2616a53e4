"""Owns the report on hard and soft EM on images: a table and a plot, from rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean
from typing import Any

from data_prep.lib.steps import UserError
from examples.lib import cifar10_em_members
from examples.lib.cifar10_em_prior import joined
from examples.lib.cifar10_em_rows import EMRow
from examples.lib.experiment import draw_seeds
from vq_nat.bench.images import CodeUse
from vq_nat.results import tables as report
from vq_nat.results.rows import at
from vq_nat.writing import json_or_none

BASELINE = "hard"
UNIFORM, LEARNED = "total_uniform", "total_learned"  # sums of bits by their prior
SLICED = "slices"  # more codes, more bits: a reference, and no rival of the others
CURVES = {
    "bits_per_dim": "bits/dim (validation)",
    "perplexity": "perplexity of a validation batch",
}
OF_SETTING = ("vq-assign", "vq-update", "vq-num-samples")  # flags that may differ
OF_SLICES = ("vq-slices", "latent-width")
MEMBERS = tuple(cifar10_em_members.LABELS)  # in the table alone
OF_MEMBERS = tuple(sorted(cifar10_em_members.of_all(2)))


def write(folder: Path, order: list[str], collapsed: float) -> str:
    """Writes report.md and, with matplotlib, report.png into the folder of the rows.

    Args:
        folder: of the rows.
        order: of the settings.
        collapsed: share of the codes below which a perplexity means collapse.

    Returns:
        The text, or text and how to get the plot.

    Raises:
        UserError: without rows.
    """
    every = load_rows(folder, order)
    if not every:
        raise UserError(f"{folder} must hold rows, but holds none.")
    rows, others = alike(every)
    parts = [table(rows), findings(rows), notes(rows, collapsed), left_out(others)]
    text = "\n\n".join(part for part in parts if part) + "\n"
    (folder / "report.md").write_text(text, encoding="utf-8")
    try:
        plot(rows, folder / "report.png")
    except ImportError:
        text += (
            "\nThe plot needs matplotlib: `pip install -e '.[image]'`, then run again."
        )
    return f"\n{text}"


def load_rows(folder: Path, order: list[str]) -> list[EMRow]:
    """Reads all rows with their priors, by setting and seed."""
    rows = {path: json_or_none(path) for path in sorted(folder.glob("*.json"))}
    with_priors = [
        joined(row, folder / "priors" / path.name)
        for path, row in rows.items()
        if row and row.get("kind") == "cifar10_em"
    ]
    return sorted(
        with_priors, key=lambda row: (order.index(row["setting"]), row["seed"])
    )


def alike(rows: list[EMRow]) -> tuple[list[EMRow], list[EMRow]]:
    """Divides rows into those of the most frequent experiment, and the others.

    Product quantization has flags of its own, which its rows must have in common. So
    has each member: their rows are compared in all other flags.
    """
    known = [row["data_sha256"] for row in rows if row.get("data_sha256")]
    data = most_frequent(known)  # of older rows, which do not name theirs
    members = [row for row in rows if row["setting"] in MEMBERS]
    others = [row for row in rows if row not in members]
    usual = most_frequent(experiment_of(row, data) for row in others)
    same = [row for row in others if experiment_of(row, data) == usual]
    usual = most_frequent(experiment_of(row, data, OF_MEMBERS) for row in same or rows)
    same += [row for row in members if experiment_of(row, data, OF_MEMBERS) == usual]
    sliced = [row for row in same if row["setting"] == SLICED]
    flags = most_frequent(map(flags_of_slices, sliced))
    odd = [row for row in sliced if flags_of_slices(row) != flags]
    kept = [row for row in same if row not in odd]
    return kept, [row for row in rows if row not in kept]


def most_frequent(keys: Iterable[str]) -> str | None:
    """Returns the most frequent one, None of nothing."""
    counted = Counter(keys).most_common(1)
    return counted[0][0] if counted else None


def experiment_of(row: EMRow, data: str | None, own: Iterable[str] = ()) -> str:
    """Returns what rows must have in common to stand in one table.

    Args:
        row: a row.
        data: hash of its images if it does not name it.
        own: flags in which it may differ.
    """
    varied = {
        "seed",
        *own,
        *OF_SETTING,
        *(OF_SLICES if row["setting"] == SLICED else ()),
    }
    flags = {"autocast": "auto", **row["flags"]}  # which older rows do not name
    flags = {k: v for k, v in flags.items() if k not in varied}
    names = ("images", "test_images", "updates", "batch_size")
    same = [row.get("data_sha256") or data, *(at(row, name) for name in names)]
    return json.dumps([flags, *same], sort_keys=True)


def flags_of_slices(row: EMRow) -> str:
    """Returns the flags that only product quantization has."""
    return json.dumps([row["flags"].get(name) for name in OF_SLICES])


def left_out(rows: list[EMRow]) -> str:
    """Names rows of other experiments."""
    if not rows:
        return ""
    names = ", ".join(f"{row['setting']}-seed{row['seed']}" for row in rows)
    return f"Left out, as of other data or flags than most rows here: {names}."


def by_setting(rows: list[EMRow]) -> dict[str, list[EMRow]]:
    """Groups the rows, in their order."""
    names = dict.fromkeys(row["setting"] for row in rows)
    return {name: [r for r in rows if r["setting"] == name] for name in names}


def table(rows: list[EMRow]) -> str:
    """Returns a line for each setting: mean (and range) over its seeds."""
    groups = by_setting(rows)
    baseline = groups.get(BASELINE, [])

    def bits(name: str) -> Callable[[list[EMRow]], str]:
        def cell(own: list[EMRow]) -> str:
            values = [at(row, "bits_per_dim", name) for row in own]
            known = [value for value in values if value is not None]
            return report.mean_and_range(known, "{:.3f}".format)

        return cell

    def perplexity(own: list[EMRow]) -> str:
        values = [row["codebook"]["perplexity"] for row in own]
        return report.mean_and_range(values, "{:.0f}".format)

    columns: list[report.Column[list[EMRow]]] = [
        ("setting", lambda own: own[0]["label"]),
        ("codes", lambda own: size_of(own[0]["codebook"])),
        ("seeds", lambda own: str(len(own))),
        ("reconstruction", bits("reconstruction")),
        ("+ uniform prior", bits("total_uniform")),
        ("− hard EM", lambda own: difference(own, baseline)),
        ("+ learned prior", bits("total_learned")),
        ("perplexity", perplexity),
        ("codes used", lambda own: share(own, used)),
        ("collapsed", lambda own: share(own, lambda row: row["collapsed"])),
        ("minutes", minutes),
    ]
    return report.markdown(columns, groups.values())


def size_of(codebook: CodeUse) -> str:
    """Writes the size of the codes of an image."""
    high, wide = codebook["grid"]
    slices = f" × {codebook['slices']}" if codebook["slices"] > 1 else ""
    return f"{high} × {wide}{slices} of {codebook['codes']}"


def used(row: EMRow) -> float:
    """Returns the share of the codes that the test set uses."""
    return row["codebook"]["used_share"]


def share(rows: list[EMRow], figure: Callable[[EMRow], float]) -> str:
    """Writes a mean as a percentage."""
    return report.percent(mean(float(figure(row)) for row in rows))


def minutes(rows: list[EMRow]) -> str:
    """Writes how long the trainings took."""
    return report.mean_and_range([row["train_seconds"] / 60 for row in rows])


def gaps(
    rows: list[EMRow], baseline: list[EMRow], sum_of: str = UNIFORM
) -> list[float]:
    """Returns the differences in bits/dim to a baseline, of the seeds that have both.

    Args:
        rows: of a setting.
        baseline: of another.
        sum_of: with the uniform prior, or with a learned one.
    """
    base = {row["seed"]: at(row, "bits_per_dim", sum_of) for row in baseline}
    pairs = [(at(row, "bits_per_dim", sum_of), base.get(row["seed"])) for row in rows]
    return [own - other for own, other in pairs if None not in (own, other)]


def difference(rows: list[EMRow], baseline: list[EMRow]) -> str:
    """Writes the mean difference in bits/dim to hard EM of the same seeds."""
    differences = gaps(rows, baseline)
    if not differences or rows[0]["setting"] == BASELINE:
        return report.NOTHING
    return report.mean_and_range(differences, "{:+.3f}".format)


def findings(rows: list[EMRow]) -> str:
    """Says who needs fewer bits than whom, with how many of the seeds."""
    groups = by_setting(rows)
    apart = (SLICED, *MEMBERS)
    rivals = {name: own for name, own in groups.items() if name not in apart}
    pairs = [
        (name, base)
        for base in (BASELINE, "gradient")
        for name in rivals
        if base in rivals and name not in (BASELINE, base)
    ]
    sentences = [compare(rivals[name], rivals[base]) for name, base in pairs]
    if rivals and not any(row["collapsed"] for own in rivals.values() for row in own):
        sentences.append(
            "- None of these collapsed: whether one is more robust than another, "
            "these rows do not say."
        )
    return "\n".join(line for line in sentences if line)


def compare(rows: list[EMRow], baseline: list[EMRow]) -> str:
    """Says how a setting stands to another, empty without common seeds."""
    uniform, learned = gaps(rows, baseline), gaps(rows, baseline, LEARNED)
    if not uniform:
        return ""
    labels = rows[0]["label"], baseline[0]["label"]
    more = f"; with a learned prior {difference_of(learned)}" if learned else ""
    if not round(mean(uniform), 3):
        return f"- {' and '.join(labels)} need equally many bits/dim{more}."
    return (
        f"- {labels[0]} against {labels[1]}, bits/dim: {difference_of(uniform)}{more}."
    )


def difference_of(gaps: list[float]) -> str:
    """Writes a mean difference, and how many seeds have one of this sign."""
    middle = mean(gaps)
    word = "fewer" if middle < 0 else "more"
    seeds = sum((gap < 0) == (middle < 0) and gap != 0 for gap in gaps)
    return f"{abs(middle):.3f} {word} (with {seeds} of {len(gaps)} seeds)"


def notes(rows: list[EMRow], collapsed: float) -> str:
    """Says what was trained, on what, and what the columns mean."""
    return "\n".join(
        [
            f"- {report.shared(rows, 'images')}, {report.shared(rows, 'test_images')} "
            "test images, in bits per dimension; mean (lowest–highest) over seeds. "
            "Trained alike in all but the setting, for "
            f"{report.shared(rows, 'updates')} updates of "
            f"{report.shared(rows, 'batch_size')} images{of_slices(rows)}"
            f"{at_once(rows)}. Minutes: validation included, other work on the "
            "machine, too.",
            "- Absolute bits compare with published ones on the official images only, "
            "not on JPEG copies of them.",
            f"- Codes that are not used are {restarts(rows)}.",
            "- − hard EM: the difference of the sums with the uniform prior, seed by "
            "seed; below 0 is better than hard EM.",
            f"- Perplexity and codes used: over the whole test set, means over slices. "
            f"Collapsed: a perplexity below {100 * collapsed:.0f} % of the codes.",
            f"- {report.made_on(rows)}",
        ]
    )


def at_once(rows: list[EMRow]) -> str:
    """Says how many trainings shared the machine."""
    jobs = max(row.get("jobs") or 1 for row in rows)
    return f", {jobs} side by side" if jobs > 1 else ""


def of_slices(rows: list[EMRow]) -> str:
    """Says what else differs with product quantization."""
    flags = [row["flags"] for row in rows if row["setting"] == SLICED]
    known = {name: flags[0][name] for name in OF_SLICES if flags and name in flags[0]}
    if not known:
        return ""
    words = ", ".join(f"`{name}` {value}" for name, value in known.items())
    return f" (product quantization with {words})"


def restarts(rows: list[EMRow]) -> str:
    """Says whether unused codes are revived, in all rows alike."""
    after = rows[0]["flags"].get("vq-restart-after") if rows else None
    return f"revived after {after} updates" if after else "not revived"


def plot(rows: list[EMRow], path: Path) -> None:
    """Draws bits per dimension and perplexity over the updates."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(CURVES), figsize=(10, 4))
    em = [row for row in rows if row["setting"] not in MEMBERS]
    for number, own in enumerate(by_setting(em or rows).values()):
        curves = [row["curve"] for row in own]
        for axis, name in zip(axes, CURVES):
            draw_seeds(axis, curves, name, own[0]["label"], f"C{number}")
    for axis, label in zip(axes, CURVES.values()):
        axis.set_xlabel("updates")
        axis.set_ylabel(label)
    limit_bits(axes[0], rows)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=3, frameon=False)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def limit_bits(axis: Any, rows: list[EMRow]) -> None:
    """Shows those that are compared, from the second validation on."""
    curves = [row["curve"] for row in rows if row["setting"] != SLICED]
    shown = [here["bits_per_dim"] for curve in curves for here in curve[1:]]
    if shown:
        margin = 0.05 * (max(shown) - min(shown)) + 1e-3
        axis.set_ylim(min(shown) - margin, max(shown) + margin)
