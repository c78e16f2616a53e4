"""Tells whether a difference between two systems' outputs is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import cast

from sacrebleu.metrics import CHRF
from sacrebleu.significance import PairedTest, Result

from ..results.rows import Comparison, outputs_path
from ..text.lines import read_lines
from ..translation.scores import bleu_of
from .quality import reference_streams


def compare(
    baseline: list[str],
    outputs: list[str],
    references: list[list[str]],
    language: str = "",
) -> Comparison:
    """Compares outputs with those of a baseline by paired bootstrap (Koehn 2004).

    Args:
        baseline: translations to compare with.
        outputs: other translations of the same sentences.
        references: of each sentence.
        language: the target's, see `quality.score`.

    Returns:
        Differences of BLEU and chrF with their p-values, the number of resamples, and
        the share of sentences that are the `same`. sacrebleu's p-values are one-sided,
        as Koehn's are: how often chance gives a difference this large in the direction
        that was seen. For a difference in either direction, double them.
    """
    systems: list[tuple[str, Sequence[str]]] = [("baseline", baseline), ("o", outputs)]
    metrics = {"BLEU": bleu_of(language), "chrF": CHRF()}
    test = PairedTest(systems, metrics, reference_streams(references), "bs")
    signatures, scores = test()
    same = same_share(baseline, outputs)
    gains: dict[str, tuple[float, float]] = {}
    for key in signatures:
        before, after = cast(list[Result], scores[key])
        # Where no output differs, sacrebleu counts every resample as an extreme one.
        p_value = 1.0
        if same < 1 and after.p_value is not None:
            p_value = float(after.p_value)
        gain = round(after.score - before.score, 3)
        gains[key.lower().rstrip("2")] = gain, round(p_value, 4)
    return {
        "resamples": test.n_samples,
        "same": round(same, 4),
        "bleu": gains["bleu"][0],
        "bleu_p": gains["bleu"][1],
        "chrf": gains["chrf"][0],
        "chrf_p": gains["chrf"][1],
    }


def compare_rows(
    baseline: Path,
    row: Path,
    test_set: str,
    references: list[list[str]],
    language: str = "",
) -> Comparison:
    """Compares the outputs that are kept beside two rows.

    Args:
        baseline: file of the row to compare with.
        row: file of the other row.
        test_set: whose outputs.
        references: of its sentences.
        language: the target's.

    Raises:
        FileNotFoundError: if the outputs of a row are missing.
        ValueError: if their number is not that of the references.
    """
    sides = []
    for one in (baseline, row):
        path = outputs_path(one, test_set)
        lines = read_lines(path)
        if len(lines) != len(references):
            raise ValueError(
                f"{path} must hold {len(references)} lines, "
                f"but holds {len(lines)} instead."
            )
        sides.append(lines)
    first, second = sides
    return compare(first, second, references, language)


def same_share(baseline: list[str], outputs: list[str]) -> float:
    """Returns the share of sentences that stay as they were."""
    return mean(float(a == b) for a, b in zip(baseline, outputs))
