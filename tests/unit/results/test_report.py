"""Tables come from rows, and the README's tables from the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.paper_table.plan import KIND
from examples.paper_table.rows import TableRow
from vq_nat.files import BadFile
from vq_nat.results.checking import first_fault
from vq_nat.results.report import (
    full_report,
    latent_table,
    load_rows,
    main_table,
    training_table,
    update_readme,
)
from vq_nat.results.rows import Row

RESULTS = Path(__file__).resolve().parents[3] / "examples" / "results"
Make = Callable[..., dict[str, Any]]


def test_rows_of_another_kind_are_left_to_others(
    make_row: Make, tmp_path: Path
) -> None:
    for name, row in (("a", make_row("student", 1.0)), ("b", {"kind": "bottleneck"})):
        (tmp_path / f"{name}.json").write_text(json.dumps(row))
    assert [row["system"] for row in load_rows(tmp_path)] == ["student"]


@pytest.fixture
def rows(make_row: Make) -> list[dict[str, Any]]:
    """Two decoders of a teacher, and a student."""
    return [
        make_row("student", 10.0),
        make_row("teacher-greedy", 30.0),
        make_row("teacher-beam4", 50.0),
    ]


def cells(table: str, system: str) -> list[str]:
    """Returns the cells of a system's line."""
    line = next(x for x in table.splitlines() if x.startswith(f"| {system}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_speed_up_is_the_ratio_of_medians(rows: list[dict[str, Any]]) -> None:
    table = main_table(rows)
    assert cells(table, "latent student") == [
        "latent student",
        *("50.0", "60.0", "25.0 %", "10.0 (20.0)", "5.00×", "3.00×", "100.0"),
    ]
    assert cells(table, "autoregressive teacher, beam 4")[5:7] == ["1.00×", "0.60×"]


def test_the_table_is_ordered_whatever_the_rows_are(rows: list[dict[str, Any]]) -> None:
    assert main_table(rows) == main_table(rows[::-1])
    lines = main_table(rows).splitlines()
    assert "beam 4" in lines[2] and "greedy" in lines[3] and "latent" in lines[4]


def test_without_a_baseline_there_is_no_speed_up(make_row: Make) -> None:
    table = main_table([make_row("student", 10.0)])
    assert cells(table, "latent student")[5:7] == ["–", "–"]


def test_correct_has_a_column_only_where_it_is_known(make_row: Make) -> None:
    assert "correct" not in main_table([make_row("student", 1.0, correct=None)])


def test_the_recipe_stands_below(rows: list[dict[str, Any]]) -> None:
    table = main_table(rows)
    for part in (
        *("nrefs:1|version:2.6.0", "an abacus", "2 thread", "torch 2.13.0", "abc123"),
        *("fairseq's own decoder", "CTranslate2", "tokenisation included"),
    ):
        assert part in table


def test_the_spread_of_seeds_is_told(
    rows: list[dict[str, Any]], make_row: Make
) -> None:
    assert "seeds of" not in main_table(rows)
    for row, correct in zip(rows, (0.9, 0.8, 0.85), strict=True):
        row["correct"] = correct
    more = {**make_row("student-seed2", 10.0), "correct": 0.7}
    more["bleu"] = rows[0]["bleu"] + 2
    low, high = (f"{row['bleu']:.1f}" for row in (rows[0], more))
    middle = f"{rows[0]['bleu'] + 1:.1f}"
    assert (
        f"- 2 seeds of `student`, mean and range: BLEU {middle} ({low}–{high}), "
        "correct 80.0 % (70.0 %–90.0 %), of the teacher's greedy share "
        "100.0 % (87.5 %–112.5 %)."
    ) in main_table([*rows, more])
    more["correct"] = None
    assert f"range: BLEU {middle} ({low}–{high})." in main_table([*rows, more])


def test_what_differs_between_rows_is_not_hidden(make_row: Make) -> None:
    table = main_table(
        [make_row("student", 1.0), make_row("teacher-beam4", 1.0, commit="def456")]
    )
    assert "def456 / abc123" in table


def test_test_sets_are_not_mixed(make_row: Make) -> None:
    table = main_table(
        [
            make_row("teacher-beam4", 50.0),
            make_row("student", 10.0, corpus="multi30k"),
        ]
    )
    assert "**demo, test**" in table and "**multi30k, test**" in table
    assert cells(table, "latent student")[5] == "–"


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="`rows` must hold at least one"):
        main_table([])


def test_a_faster_runtime_of_the_teacher_gets_a_column_and_its_note(
    rows: list[dict[str, Any]], make_row: Make
) -> None:
    assert "× CTranslate2" not in main_table(rows)
    assert "faster runtimes for autoregressive models exist" in main_table(rows)
    runtime = make_row("teacher-greedy-ctranslate2", 0.75, engine="ctranslate2")
    ours = make_row("student-engine", 0.25, engine="vq-nat", n_c=2, label="ours")
    table = main_table([*rows, runtime, ours])
    assert cells(table, "ours")[4:8] == ["0.25 (0.50)", "200.00×", "120.00×", "3.00×"]
    assert cells(table, "teacher-greedy-ctranslate2")[7] == "1.00×"
    assert "greedy search there." in table and "runtimes" not in table


def test_both_bleus_of_a_latent_system_are_told(rows: list[dict[str, Any]]) -> None:
    table = latent_table(rows)
    assert "teacher" not in table
    assert cells(table, "latent student")[1:6] == ["4", "256", "10", "40.0", "70.0"]
    assert "of the training's best checkpoint" in table


def test_what_runs_a_model_is_no_training_of_it(
    rows: list[dict[str, Any]], make_row: Make
) -> None:
    ours = make_row("student-engine", 0.25, engine="vq-nat", n_c=2)
    for table in (latent_table, training_table):
        assert table([*rows, ours]) == table(rows)
    other = make_row("other", 0.25, n_c=2, train_seconds=5)
    assert len(training_table([*rows, other]).splitlines()) == 5


def test_a_teacher_is_trained_once(rows: list[dict[str, Any]]) -> None:
    assert training_table(rows).count("autoregressive teacher") == 1
    assert cells(training_table(rows), "latent student")[1:3] == ["1.50 M", "700"]


def test_tables_without_content_are_left_out(make_row: Make) -> None:
    row = make_row("teacher-beam4", 1.0, updates=None)
    assert latent_table([row]) == training_table([row]) == ""
    assert full_report([row]) == main_table([row])


# ------------------------------------------------------------------------------- files


def test_rows_are_found_below_a_folder(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    for row in rows:
        path = tmp_path / row["corpus"] / f"{row['system']}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(row))
    loaded = load_rows(tmp_path)
    assert [row["system"] for row in loaded] == [
        *("teacher-beam4", "teacher-greedy", "student")
    ]
    assert main_table(loaded) == main_table(rows)


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("bleu", "x", "`bleu` must be a number, but is 'x'"),
        ("bleu", True, "`bleu` must be a number, but is True"),
        ("latency_ms", [1], r"`latency_ms` must be a mapping, but is \[1\]"),
        ("latency_ms", {"p90": 1}, "`latency_ms.median` must be there, but is not"),
        ("versions", {"torch": 2}, "`versions.torch` must be a text, but is 2"),
        ("clocks", [{}], r"`clocks\[0\].batch_size` must be there, but is not"),
        ("seed", 1.5, "`seed` must be a whole number, but is 1.5"),
    ],
)
def test_figures_of_another_type_are_named(
    tmp_path: Path, make_row: Make, name: str, value: Any, sentence: str
) -> None:
    path = tmp_path / "row.json"
    path.write_text(json.dumps(make_row("student", 1.0, **{name: value})))
    with pytest.raises(BadFile, match=f"row.json must be a result row, but {sentence}"):
        load_rows(tmp_path)


def test_the_committed_rows_are_of_their_type() -> None:
    for path in sorted(RESULTS.rglob("*.json")):
        row = json.loads(path.read_text("utf-8"))
        if isinstance(row, dict) and row.get("kind", KIND) == KIND and "bleu" in row:
            assert first_fault(row, TableRow if "kind" in row else Row) is None, path


@pytest.mark.parametrize("content", ["", "[1]", '{"system": "x"}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(ValueError, match=r"other.json must be a result row"):
        load_rows(tmp_path)


README = """# Title

<!-- results:demo -->
old
<!-- /results -->

between

<!-- results:multi30k -->
kept
<!-- /results -->
end
"""


def test_only_the_sections_with_rows_are_replaced(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path / "README.md"
    path.write_text(README)
    assert update_readme(path, rows)
    before, middle, after = path.read_text().partition(full_report(rows))
    assert middle and "old" not in before + after
    assert before == "# Title\n\n<!-- results:demo -->\n"
    assert after == "\n<!-- /results -->" + README.partition("<!-- /results -->")[2]


def test_a_page_that_cannot_be_written_stays_as_it_is(
    tmp_path: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "README.md"
    path.write_text(README)
    write = Path.write_text

    def fill_the_disk(self: Path, text: str, **options: Any) -> None:
        write(self, text[: len(text) // 2], **options)
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", fill_the_disk)
    with pytest.raises(OSError, match="no space left"):
        update_readme(path, rows)
    assert path.read_text() == README
    assert [one.name for one in tmp_path.iterdir()] == ["README.md"]


def test_a_second_update_changes_nothing(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path / "README.md"
    path.write_text(README)
    update_readme(path, rows)
    once = path.read_text()
    assert not update_readme(path, rows)
    assert path.read_text() == once


@pytest.mark.parametrize(
    "text",
    [
        "no sections",
        "<!-- results:demo -->\nendless",
        "<!-- /results -->",
        "<!-- results:demo -->\n<!-- results:multi30k -->\n<!-- /results -->",
    ],
)
def test_broken_markers_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(ValueError, match="must have a `<!-- /results -->` for every"):
        update_readme(path, [])
    assert path.read_text() == text
