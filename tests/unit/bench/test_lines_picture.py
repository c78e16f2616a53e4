"""Pictures that can be read: names beside their points, trainings told apart."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from vq_nat.bench.labels import Box, place_names
from vq_nat.bench.lines_picture import (
    CURVES,
    divide,
    draw_curve,
    draw_curves,
    draw_front,
)
from vq_nat.bench.plots import pyplot
from vq_nat.results.lines import Line, by_latency


@pytest.fixture
def axis() -> Any:
    """An empty picture."""
    plots = pyplot()
    figure, axis = plots.subplots(figsize=(11, 6.5))
    yield axis
    plots.close(figure)


def clusters() -> list[tuple[float, float]]:
    """Returns BLEU and time of ten places, where three points nearly touch."""
    places = [(20 + 7 * n % 10, 5 * 1.2**n) for n in range(10)]
    return [(b + 0.1 * k, t * 1.01**k) for b, t in places for k in range(3)]


def line(name: str, bleu: float, median: float) -> Line:
    """Returns a line of one row."""
    return Line(name, name, [{"bleu": bleu, "latency_ms": {"median": median}}])


def test_names_cover_neither_each_other_nor_points(axis: Any) -> None:
    lines = [line(f"vq-em10-number-{n}", *at) for n, at in enumerate(clusters())]
    draw_front(axis, lines, by_latency)
    place_names(axis)
    axis.figure.canvas.draw()
    names = [text for text in axis.texts if text.get_text()]
    boxes = [Box(*text.get_window_extent().extents) for text in names]
    assert len(boxes) == len(lines)
    points = [axis.transData.transform((one.latency, one.bleu)) for one in lines]
    covered = [a.shares(b) for a, b in combinations(boxes, 2)]
    covered += [box.shares(Box.around(x, y, 2, 2)) for box in boxes for x, y in points]
    assert max(covered) == 0
    frame = Box(*axis.bbox.extents)
    assert all(box.harm([], frame) == pytest.approx(0, abs=1) for box in boxes)


def test_a_line_to_a_far_name_is_thinner_than_a_curve(axis: Any) -> None:
    lines = [line(f"vq-em10-number-{n}", 30, 5) for n in range(12)]
    draw_front(axis, lines, by_latency)
    place_names(axis)
    joined = [one.arrow_patch for one in axis.texts if one.arrow_patch is not None]
    curve = pyplot().rcParams["lines.linewidth"]
    assert joined and all(arrow.get_linewidth() < curve for arrow in joined)


def test_what_is_far_below_the_others_is_named_and_not_drawn() -> None:
    shown, low = divide([line("x", bleu, 1.0) for bleu in (40.0, 9.0, 27.0, 25.9)])
    assert [one.bleu for one in shown] == [40.0, 27.0]
    assert [one.bleu for one in low] == [9.0, 25.9]
    assert divide([]) == ([], [])


def test_no_two_trainings_look_the_same(axis: Any) -> None:
    curve = [{"updates": 1.0, "word_nll": 2.0}, {"updates": 2.0, "word_nll": 1.0}]
    for number in range(25):
        draw_curve(axis, curve, "word_nll", number, label=str(number))
    looks = {(line.get_color(), line.get_linestyle()) for line in axis.lines}
    assert len(looks) == 25


@pytest.mark.parametrize("learned", [False, True], ids=["words", "learned codes"])
def test_no_panel_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learned: bool
) -> None:
    point = {"updates": 1.0, "word_nll": 2.0, "code_nll": 3.0}
    if learned:
        point |= {name: 0.5 for name in CURVES if name.startswith("vq_")}
    curves = {"training": [point], "validation": [{"updates": 1.0, "bleu": 30.0}]}
    row = {"bleu": 30, "latency_ms": {"median": 5.0}, "curves": curves}
    monkeypatch.setattr(pyplot(), "close", lambda figure: None)
    assert draw_curves([Line("x", "x", [row], model="x")], tmp_path / "curves.png")
    shown = [axis for axis in pyplot().gcf().axes if axis.axison]
    monkeypatch.undo()
    pyplot().close("all")
    assert len(shown) == (6 if learned else 3)
    assert all(any(len(one.get_xdata()) for one in axis.lines) for axis in shown)
