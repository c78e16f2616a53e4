"""What can be read from an axis, and from the names beside its points."""

from typing import Any

import pytest

from vq_nat.bench.labels import moves
from vq_nat.bench.plots import plain_ticks, pyplot
from vq_nat.bench.training_picture import PANELS, THEMES, draw_panel

pytest.importorskip("matplotlib")


@pytest.fixture
def axis() -> Any:
    """An axis of a figure that nobody keeps."""
    plots = pyplot()
    figure, axis = plots.subplots()
    yield axis
    plots.close(figure)


def test_a_logarithmic_axis_has_plain_numbers_between_the_powers_of_ten(
    axis: Any,
) -> None:
    axis.set_yscale("log")
    axis.set_ylim(0.3, 30)
    plain_ticks(axis.yaxis)
    axis.figure.canvas.draw()
    texts = [one.get_text() for one in axis.get_yticklabels()]
    assert {"0.5", "1", "2", "5", "10", "20"} <= set(texts)


def test_the_first_places_of_a_name_are_right_beside_its_point() -> None:
    """On either side, with the same gap, however wide the name is; then farther."""
    for width in (3.0, 30.0):
        places = list(moves(width, 10.0))
        assert places[0] == (-places[1][0], 0.0) and places[1][1] == 0.0
        gaps = {abs(x) - width / 2 for x, _ in places if x}
        assert len(gaps) == 1 and 0 < gaps.pop() < 10
        assert len(set(places)) == len(places)
        heights = [abs(y) for _, y in places]
        assert heights == sorted(heights)


@pytest.mark.parametrize(("most", "scale"), [(0.0, "linear"), (0.5, "log"), (9, "log")])
def test_only_a_panel_with_something_above_nothing_is_logarithmic(
    axis: Any, most: float, scale: str
) -> None:
    panel = next(one for one in PANELS if one.logarithmic)
    name = next(iter(panel.lines))
    curves = {panel.of: [{"updates": update, name: most} for update in (1, 2)]}
    draw_panel(axis, panel, curves, THEMES["light"])
    assert axis.get_yscale() == scale
