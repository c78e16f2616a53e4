"""The tables' YAML files: inheritance, errors as sentences, what a row depends on."""

import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from fairseq.models import ARCH_CONFIG_REGISTRY
from table_rows import SMALL_CORPUS

from data_prep.lib.steps import UserError
from examples.lib.layers import overlay, settled
from examples.paper_table.config import (
    Engine,
    Table,
    digest,
    read_table,
    row_config,
    training_config,
)
from vq_nat.translation.config import VQEMTransformerConfig, check
from vq_nat.translation.idle import check_idle

TABLES = Path(__file__).resolve().parents[3] / "examples" / "paper_table"
WHOLE = ("demo", "multi30k", "wmt14")
NAMED = """teacher-beam4 teacher-greedy nat nat-npd10 nat-npd100 semhash-raw semhash
    gumbel vq-raw vq-em5-raw vq vq-em10 vq-em10-nc4 tuned student-ar-greedy cmlm10
    levenshtein
    deep-shallow-raw-greedy deep-shallow-greedy tuned-refined tuned-npd10 vq-em10-slices
    identity-true-latents vq-em10-true-codes ct2-teacher-beam4 ct2-teacher-beam4-int8
    ct2-teacher-greedy ct2-teacher-greedy-int8"""


@pytest.mark.parametrize("name", WHOLE)
def test_every_table_has_every_row_of_the_paper_and_more(name: str) -> None:
    table = read_table(TABLES / f"{name}.yaml")
    assert set(NAMED.split()) <= set(table.rows)
    assert table.models["vq-em10"].seeds == (1, 2, 3)
    paper = {name: row.paper for name, row in table.rows.items()}
    assert paper["vq-em10"] == {"bleu": 26.7, "latency_ms": 81, "speedup": 4.08}
    assert paper["vq-em10-nc4"] == {"bleu": 25.4, "latency_ms": 58, "speedup": 5.71}
    assert paper["nat-npd100"]["bleu"] == 19.2 and paper["tuned"] == {}


@pytest.mark.parametrize("path", sorted(TABLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_no_training_of_a_table_has_options_that_it_ignores(path: Path) -> None:
    if path.stem not in ("ablations", "rows", "report"):  # which are parts of others
        for model in read_table(path).models.values():
            check_model_options(model.flags)


def check_model_options(flags: dict[str, Any]) -> None:
    """Refuses flags of a latent model as its training does."""
    given = {key.replace("-", "_"): value for key, value in flags.items()}
    if str(given.get("arch")).startswith("vq_em_transformer"):
        names = VQEMTransformerConfig.__dataclass_fields__.keys()
        options = Namespace(**{k: v for k, v in given.items() if k in names})
        ARCH_CONFIG_REGISTRY[given["arch"]](options)
        config = VQEMTransformerConfig.from_namespace(options)
        check(config)
        check_idle(config)


def test_long_sentences_have_each_system_in_our_engine_and_rivals_in_another() -> None:
    cpu, gpu = (read_table(TABLES / f"{n}.yaml") for n in ("longtext", "longtext-gpu"))
    assert list(cpu.corpus["test-sets"]) == ["test_docs", "newstest2014"]
    for model in gpu.models:
        assert training_config(gpu, model, None) == training_config(cpu, model, None)
    by_engine = {
        engine: {row.model for row in cpu.rows.values() if row.engine == engine}
        for engine in get_args(Engine)
    }
    rivals = {"teacher", "student-ar", "deep-shallow"}
    assert by_engine["ctranslate2"] == rivals
    assert by_engine["torch"] - by_engine["vq-nat"] == {"nat", "ctc", "ctc-vq"}  # yet
    assert cpu.measure.timed_by_length > 0
    assert set(cpu.measure.in_turn) <= set(cpu.rows)


def test_the_table_of_a_gpu_has_the_same_trainings_and_rows_of_its_own() -> None:
    cpu, gpu = (read_table(TABLES / f"{n}.yaml") for n in ("multi30k", "multi30k-gpu"))
    assert (cpu.name, gpu.name) == ("multi30k", "multi30k-gpu")
    assert gpu.corpus == cpu.corpus
    for model in ("teacher", "vq", "cmlm"):
        assert training_config(gpu, model, 2) == training_config(cpu, model, 2)
    assert {"vq-em10", "cmlm10"} <= set(gpu.rows)
    assert set(gpu.rows) - set(cpu.rows) == {"tuned-mono-3x"}  # for a GPU only
    engines = {row.engine for row in gpu.rows.values()}
    assert engines == {"torch"} and gpu.measure.cpu_clocks is False


def test_the_table_of_engines_has_rows_of_the_other_table_alone() -> None:
    known, other = (
        read_table(TABLES / f"{n}.yaml") for n in ("multi30k", "multi30k-engine")
    )
    assert (other.name, other.corpus) == ("multi30k-engine", known.corpus)
    for name, row in other.rows.items():
        (seed, *_) = row.seeds or (None,)
        assert row == known.rows[name]
        assert row_config(other, row, seed) == row_config(known, row, seed)
    assert set(other.measure.in_turn) <= set(other.rows)
    engines = {row.engine for row in other.rows.values()}
    assert {"ctranslate2", "vq-nat"} <= engines <= {*get_args(Engine)}


def test_every_onnx_row_has_a_twin_in_our_engine() -> None:
    rows = read_table(TABLES / "multi30k.yaml").rows.values()

    def served(engine: str) -> set[tuple[str, str]]:
        return {
            (r.model, r.decoding["compute_type"]) for r in rows if r.engine == engine
        }

    assert served("onnx") <= served("vq-nat")


def test_the_demo_has_the_ablations(demo: Table) -> None:
    flags = {
        row.name: demo.model_of(row).flags_of(1)
        for row in demo.rows.values()
        if row.group == "ablations"
    }
    widths = {name: flags.pop(name) for name in list(flags) if "width" in name}
    base = flags.pop("ablation")
    differences = {name: _differing(base, own) for name, own in flags.items()}
    assert differences["codes-16384"] == {"vq-num-codes"}
    assert differences["samples-1"] == {"vq-num-samples"}
    assert differences["steps-4"] == {"compression-steps"}
    assert differences["gradient"] == {"vq-update"}
    assert all(differences.values())

    # The teacher's layers fit one width: these are compared with each other.
    assert _differing(base, widths["width-128"]) == {
        "init-from-teacher",
        "lr",
    }
    for other in ("width-64", "width-256"):
        assert _differing(widths["width-128"], widths[other]) == {
            "encoder-embed-dim",
            "encoder-ffn-embed-dim",
            "lr",
        }


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """The keys whose values are not the same in both."""
    return {k for k in one.keys() | other.keys() if one.get(k) != other.get(k)}


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Any]:
    """The keys of a small table that is right."""
    return {
        "corpus": dict(SMALL_CORPUS),
        "teacher": {"max-update": 5, "arch": "transformer"},
        "distill": {"beam": 2},
        "student": {"max-update": 6, "lr": 0.1, "init-from-teacher": "TEACHER"},
        "measure": {"batch-size": 2},
        "recipes": {"soft": {"base": "student", "vq-assign": "soft"}},
        "models": {
            "a": {"recipe": "soft", "text": "distilled", "seeds": [1, 2]},
            "b": {"base": "a", "seeds": [1], "set": {"init-from-teacher": None}},
            "raw": {"recipe": "soft", "set": {"init-from-teacher": None}},
        },
        "rows": {
            "a": {"group": "vq", "label": "A", "model": "a"},
            "b": {"base": "a", "model": "b", "paper": {"bleu": 1}},
            "raw": {"base": "a", "model": "raw"},
        },
    }


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Reads keys as a file would be read."""

    def read_keys(keys: dict[str, Any]) -> Table:
        path = tmp_path / "table.yaml"
        path.write_text(yaml.safe_dump(keys))
        return read_table(path)

    return read_keys


def test_what_stands_nearer_wins_and_null_takes_away(read: Any, small: Any) -> None:
    table = read(small)
    assert table.models["b"].flags == {"max-update": 6, "lr": 0.1, "vq-assign": "soft"}
    assert table.models["b"].text == "distilled" and table.models["b"].seeds == (1,)
    assert table.rows["b"].label == "A" and table.rows["b"].group == "vq"


def test_a_file_lies_over_its_bases(tmp_path: Path, read: Any, small: Any) -> None:
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(small))
    table = read({"base": "base.yaml", "student": {"lr": 1}, "rows": {"raw": None}})
    assert table.models["a"].flags["lr"] == 1 and table.models["a"].updates == 6
    assert list(table.rows) == ["a", "b"] and "raw" not in table.models
    assert list(read({"base": "base.yaml", "only": ["b"]}).rows) == ["b"]


def going_on(small: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Adds a model that goes on from `a`, and its row."""
    flags = {"init-from-teacher": None, "finetune-from-model": "START"}
    model = {"base": "a", "seeds": [2], "start": "a", "set": flags}
    small["models"]["c"] = {**model, **changed}
    small["rows"]["c"] = {"base": "a", "model": "c"}
    return {**small, "only": ["c"]}


def test_a_model_that_goes_on_from_another_depends_on_all_of_it(
    read: Any, small: Any
) -> None:
    keys = going_on(small)
    table = read(keys)
    assert set(table.models) == {"teacher", "a", "c"}
    assert training_config(table, "c", 2)["start"] == training_config(table, "a", 2)
    small["models"]["a"]["checkpoint"] = "last"
    small["models"]["c"]["checkpoint"] = "best"
    assert digest(training_config(read(keys), "c", 2)) != digest(
        training_config(table, "c", 2)
    )


def test_several_seeds_may_go_on_from_one_model(read: Any, small: Any) -> None:
    small["models"]["a"]["seeds"] = []
    table = read(going_on(small, seeds=[1, 2]))
    begun = [training_config(table, "c", seed)["start"] for seed in (1, 2)]
    assert begun == [training_config(table, "a", None)] * 2


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"start": "d"}, "`start` of the model `c` must be one of .*, but is 'd'"),
        ({"start": "c"}, "`start` of the model `c` must be one of .*, but is 'c'"),
        ({"set": {}}, "The model `c` must have both `start` and a flag that is START"),
        ({"start": None}, "must have both `start` and a flag that is START"),
        ({"seeds": [3]}, "A seed of `start` of the model `c` must be one of 1, 2"),
    ],
)
def test_a_wrong_start_is_refused(
    read: Any, small: Any, changed: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        read(going_on(small, **changed))


def test_a_judge_is_there_even_without_a_row_of_its_own(read: Any, small: Any) -> None:
    small["models"]["word"] = {"recipe": "teacher", "text": "distilled"}
    small["rows"]["b"]["decoding"] = {"verify": True, "teacher": "word"}
    assert "word" in read({**small, "only": ["b"]}).models


def test_null_takes_away_however_far_above_it_stands() -> None:
    lower, upper = {"x": {"y": 1, "z": 2}}, {"x": {"y": None}}
    assert settled(overlay(lower, overlay({}, upper))) == {"x": {"z": 2}}


@pytest.mark.parametrize(
    ("where", "value", "sentence"),
    [
        ("corpus", None, "must have a section `corpus`"),
        ("corpus/name", None, "Section `corpus` of .* must have a `name`"),
        (
            "student/max-update",
            None,
            "Section `student` of .* must have a `max-update`",
        ),
        ("models/a/recipe", None, "The model `a` must have a `recipe`"),
        ("models/a/recipe", "x", "A recipe must be one of .*soft.* but is `x` instead"),
        ("models/a/text", "x", "`text` of the model `a` must be one of human, disti"),
        ("models/a/text", "distilled-mono", "must name files as `mono`, as the mod"),
        ("models/a/colour", 1, "A key of the model `a` must be one of .* 'colour'"),
        ("models/a/seeds", ["x"], "`seeds` of the model `a` must be whole numbers"),
        ("models/a/checkpoint", "x", "`checkpoint` of the model `a` must be one of"),
        ("rows/b/clocks", [8], "`clocks` of the row `b` must be BATCH:THREADS as in"),
        ("models/b/base", "b", "The model `b` must not be a base of itself"),
        ("recipes/soft/base", "soft", "The recipe `soft` must not be a base of its"),
        ("rows/a/model", "x", "`model` of the row `a` must be one of .*, but is 'x'"),
        ("rows/a/engine", "x", "`engine` of the row `a` must be one of torch, onnx, "),
        ("rows/a/label", None, "The row `a` must have a `label`"),
        (
            "rows/a/decoding",
            {"teacher": "a"},
            "`teacher` of the row `a` must be one of",
        ),
        ("rows/a/seeds", [3], "A seed of the row `a` must be one of 1, 2, but is 3"),
        ("rows/a/paper", {"blue": 1}, "A key of `paper` of the row `a` must be one"),
        ("measure/batchsize", 3, "A key of `measure` of .* batch-size.* 'batchsize'"),
        ("measure/clocks", ["8:1", "8"], "`clocks` of .* \"8:1\".* one is '8' inst"),
        ("measure/clocks", [481], "`clocks` of .* with quotes, but one is 481 inst"),
        ("only", ["x"], "A row of `only` in .* must be one of a, b, raw"),
        ("base", "nowhere.yaml", "The configuration .*nowhere.yaml is missing"),
        ("base", "table.yaml", "table.yaml must not be a base of itself"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    read: Any, small: Any, where: str, value: Any, sentence: str
) -> None:
    *path, last = where.split("/")
    keys = small
    for name in path:
        keys = keys[name]
    keys[last] = value
    with pytest.raises(UserError, match=sentence):
        read(small)


def test_a_table_is_read_without_torch() -> None:
    program = (
        "import sys, examples.paper_table.config; assert 'torch' not in sys.modules"
    )
    root = TABLES.parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, timeout=60)


def test_a_group_is_not_called_like_a_row(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(f"base: {TABLES / 'demo.yaml'}\nrows: {{vq: {{group: nat}}}}\n")
    with pytest.raises(UserError, match="must not be the name of a row, but is `nat`"):
        read_table(path)


def hashes(table: Table) -> dict[str, str]:
    """Returns what every row depends on."""
    return {n: digest(row_config(table, row, None)) for n, row in table.rows.items()}


def changed_rows(before: Table, after: Table) -> set[str]:
    """Names the rows that are not as before."""
    old, new = hashes(before), hashes(after)
    return {name for name in old.keys() & new.keys() if old[name] != new[name]}


@pytest.mark.parametrize(
    ("where", "value", "stale"),
    [
        ("rows/b/label", "another name", set()),
        ("rows/b/paper", {"bleu": 2}, set()),
        ("rows/c", {"base": "a", "decoding": {"passes": 1}}, set()),
        ("measure/batch-size", 3, set()),
        ("models/a/seeds", [1, 2, 3], set()),
        ("rows/b/decoding", {"passes": 1}, {"b"}),
        ("models/raw/set", {"lr": 1}, {"raw"}),
        ("distill/beam", 3, {"a", "b"}),
        ("teacher/arch", "other", {"a", "b"}),
        ("student/lr", 1, {"a", "b", "raw"}),
        ("corpus/test-sets", {"test": "test1"}, {"a", "b", "raw"}),
    ],
)
def test_a_row_depends_on_its_own_part_of_the_configuration(
    read: Any, small: Any, where: str, value: Any, stale: set[str]
) -> None:
    before = read(small)
    *path, last = where.split("/")
    keys = small
    for name in path:
        keys = keys[name]
    keys[last] = value
    assert changed_rows(before, read(small)) == stale


def test_a_row_that_is_rescored_depends_on_the_teacher(read: Any, small: Any) -> None:
    small["rows"]["raw"]["decoding"] = {"candidates": 2, "teacher": True}
    before = read(small)
    small["teacher"]["arch"] = "other"
    assert changed_rows(before, read(small)) == {"a", "b", "raw"}


def test_other_test_sets_are_no_other_training(demo: Table) -> None:
    corpus = {**demo.corpus, "test-sets": {"other": "test1"}}
    other = replace(demo, corpus=corpus)
    for seed in (1, 2):
        mine = training_config(demo, "vq-em10", seed)
        assert mine == training_config(other, "vq-em10", seed)
    assert training_config(demo, "vq-em10", 1) != training_config(demo, "vq-em10", 2)


def test_the_pairs_with_and_without_distillation_differ_in_the_text_alone() -> None:
    table = read_table(TABLES / "distillation.yaml")
    raw = [name for name in table.models if name.endswith("-raw")]
    assert len(raw) == 3
    for name in raw:
        human, distilled = table.models[name], table.models[name.removesuffix("-raw")]
        assert (human.text, distilled.text) == ("human", "distilled")
        assert human.flags == distilled.flags
        assert human.seeds == distilled.seeds
