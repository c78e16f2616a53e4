"""Owns the report on hard and soft EM on images: a table and a plot, from rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from cifar10_em_prior import joined
from experiment import draw_seeds, mean_and_range
from stamps import read_json

from vq_nat.bench import report

Row = dict[str, Any]
BASELINE = "hard"
CURVES = {"bits_per_dim": "bits/dim (validation)", "perplexity": "perplexity"}


def write(folder: Path, order: list[str], collapsed: float) -> str:
    """Writes report.md and, with matplotlib, report.png into the folder of the rows.

    Args:
        folder: of the rows.
        order: of the settings.
        collapsed: share of the codes below which a perplexity means collapse.

    Returns:
        The text, or text and how to get the plot.
    """
    rows = load_rows(folder, order)
    text = f"{table(rows)}\n\n{notes(rows, collapsed)}\n"
    (folder / "report.md").write_text(text, encoding="utf-8")
    try:
        plot(rows, folder / "report.png")
    except ImportError:
        text += (
            "\nThe plot needs matplotlib: `pip install -e '.[image]'`, then run again."
        )
    return f"\n{text}"


def load_rows(folder: Path, order: list[str]) -> list[Row]:
    """Reads all rows with their priors, by setting and seed."""
    rows = {path: read_json(path) for path in sorted(folder.glob("*.json"))}
    found = [
        joined(row, folder / "priors" / path.name)
        for path, row in rows.items()
        if row and row.get("kind") == "cifar10_em"
    ]
    return sorted(found, key=lambda row: (order.index(row["setting"]), row["seed"]))


def by_setting(rows: list[Row]) -> dict[str, list[Row]]:
    """Groups the rows, in their order."""
    names = dict.fromkeys(row["setting"] for row in rows)
    return {name: [r for r in rows if r["setting"] == name] for name in names}


def table(rows: list[Row]) -> str:
    """Returns a line for each setting: mean (and range) over its seeds."""
    groups = by_setting(rows)

    def own(line: Row) -> list[Row]:
        return groups[line["setting"]]

    def bits(name: str) -> Callable[[Row], str]:
        def cell(line: Row) -> str:
            values = [row["bits_per_dim"][name] for row in own(line)]
            found = [value for value in values if value is not None]
            return mean_and_range(found, "{:.3f}".format) if found else report.NOTHING

        return cell

    def perplexity(line: Row) -> str:
        values = [row["codebook"]["perplexity"] for row in own(line)]
        return mean_and_range(values, "{:.0f}".format)

    columns: list[report.Column] = [
        ("setting", lambda line: own(line)[0]["label"]),
        ("codes", lambda line: size_of(own(line)[0]["codebook"])),
        ("seeds", lambda line: str(len(own(line)))),
        ("reconstruction", bits("reconstruction")),
        ("+ uniform prior", bits("total_uniform")),
        ("− hard EM", lambda line: difference(own(line), groups.get(BASELINE, []))),
        ("+ learned prior", bits("total_learned")),
        ("perplexity", perplexity),
        ("codes used", lambda line: share(own(line), used)),
        ("collapsed", lambda line: share(own(line), lambda row: row["collapsed"])),
    ]
    return report.markdown(columns, [{"setting": name} for name in groups])


def size_of(codebook: Row) -> str:
    """Writes the size of the codes of an image."""
    high, wide = codebook["grid"]
    slices = f" × {codebook['slices']}" if codebook["slices"] > 1 else ""
    return f"{high} × {wide}{slices} of {codebook['codes']}"


def used(row: Row) -> float:
    """Returns the share of the codes that the test set uses."""
    return row["codebook"]["used_share"]


def share(rows: list[Row], figure: Callable[[Row], float]) -> str:
    """Writes a mean as a percentage."""
    return report.percent(mean(float(figure(row)) for row in rows))


def difference(rows: list[Row], baseline: list[Row]) -> str:
    """Writes the mean difference in bits/dim to hard EM of the same seeds."""
    base = {row["seed"]: row["bits_per_dim"]["total_uniform"] for row in baseline}
    found = [
        row["bits_per_dim"]["total_uniform"] - base[row["seed"]]
        for row in rows
        if row["seed"] in base
    ]
    if not found or rows[0]["setting"] == BASELINE:
        return report.NOTHING
    return mean_and_range(found, "{:+.3f}".format)


def notes(rows: list[Row], collapsed: float) -> str:
    """Says what was trained, on what, and what the columns mean."""
    versions = report.distinct(
        ", ".join(f"{k} {v}" for k, v in row["versions"].items()) for row in rows
    )
    seconds = mean(row["train_seconds"] for row in rows)
    return "\n".join(
        [
            f"- {report.shared(rows, 'images')}, {report.shared(rows, 'test_images')} "
            "test images, in bits per dimension; mean (lowest–highest) over seeds. "
            "Trained alike in all but the setting, for "
            f"{report.shared(rows, 'updates')} updates of "
            f"{report.shared(rows, 'batch_size')} images ({seconds / 60:.1f} minutes "
            "on average, validation included).",
            "- − hard EM: the difference of the sums with the uniform prior, seed by "
            "seed; below 0 is better than hard EM.",
            f"- Collapsed: a perplexity over the test set below {100 * collapsed:.0f} "
            "% of the codes.",
            f"- On {report.shared(rows, 'processor')}, "
            f"{report.shared(rows, 'threads')} thread(s); {versions}; "
            f"commit {report.shared(rows, 'commit')}.",
        ]
    )


def plot(rows: list[Row], path: Path) -> None:
    """Draws bits per dimension and perplexity over the updates."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(CURVES), figsize=(10, 4))
    for number, own in enumerate(by_setting(rows).values()):
        curves = [row["curve"] for row in own]
        for axis, name in zip(axes, CURVES):
            draw_seeds(axis, curves, name, own[0]["label"], f"C{number}")
    for axis, label in zip(axes, CURVES.values()):
        axis.set_xlabel("updates")
        axis.set_ylabel(label)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=3, frameon=False)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
