"""Rows of real checkpoints: both engines, several clocks, stages, fairseq's models."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fairseq_commands import TEACHER

import vq_nat
from vq_nat import engine as native
from vq_nat.bench.conditions import Clock, Conditions
from vq_nat.bench.measure import measure_system
from vq_nat.bench.sentences import TestSet
from vq_nat.bench.significance import compare_rows
from vq_nat.bench.systems import System
from vq_nat.cli import main as cli
from vq_nat.files import sha256
from vq_nat.results.rows import outputs_path
from vq_nat.translation.ctranslate2 import CTranslate2Translator

CONDITIONS = Conditions(
    batch_size=8, timed_sentences=3, warm_up=1, repeats=1, clocks=(Clock(8, 1),)
)
NAT = [
    *("--arch", "nonautoregressive_transformer", "--criterion", "nat_loss"),
    *("--task", "translation_lev_mended", "--noise", "full_mask"),
    *TEACHER[4:],
    "--src-embedding-copy",
]


@pytest.fixture(scope="module")
def teacher(train_into, tmp_path_factory) -> Path:
    """The checkpoint of an autoregressive teacher."""
    folder = tmp_path_factory.mktemp("teacher")
    train_into(folder, 30, "--disable-validation", model=TEACHER)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def test_set(tmp_corpus) -> TestSet:
    """Ten sentences to copy."""
    return TestSet.read(
        tmp_corpus.parent / "raw", "copies", "test", ("en", "de")
    ).first(10)


def test_both_engines_write_the_same_from_the_same_model(teacher, test_set) -> None:
    pytest.importorskip("ctranslate2")
    texts = [*test_set.sources, "", "ünknown a", "a b " * 100]
    for beam in (1, 4):
        ours = vq_nat.load(teacher, beam=beam).translate(texts)
        engine = CTranslate2Translator(teacher, beam=beam, threads=1)
        assert engine.translate(texts, batch_size=4) == ours
    assert ours[10] == ""
    with pytest.raises(ValueError, match="`compute_type` must be one of .*'int3'"):
        CTranslate2Translator(teacher, compute_type="int3")


def test_both_engines_write_words_of_a_shortlist_alone(
    teacher, test_set, tmp_path
) -> None:
    pytest.importorskip("ctranslate2")
    path, words = tmp_path / "words.txt", {"a", "b", "c"}
    path.write_text("\t" + " ".join(sorted(words)) + "\n")
    rows = {}
    for engine in ("vq-nat", "ctranslate2"):
        decoding = {"shortlist": str(path)}
        system = System(engine, engine, teacher, engine=engine, decoding=decoding)
        beside = tmp_path / f"{engine}.json"
        rows[engine] = measure_system(system, [test_set], CONDITIONS, beside=beside)
        written = outputs_path(beside, "test").read_text().split()
        assert written and words.issuperset(written)
    shortlists = [row["decoding"]["shortlist"] for row in rows.values()]
    assert shortlists == [sha256(path)] * 2


def test_an_engine_refuses_what_it_cannot_convert(checkpoint) -> None:
    pytest.importorskip("ctranslate2")
    with pytest.raises(ValueError, match="CTranslate2 cannot convert the model"):
        CTranslate2Translator(checkpoint)


def test_rows_of_both_engines_have_the_same_names(teacher, test_set, tmp_path) -> None:
    pytest.importorskip("ctranslate2")
    rows = {}
    for engine, decoding in (
        ("torch", {"beam": 1}),
        ("ctranslate2", {"beam": 1, "compute_type": "int8"}),
    ):
        system = System(engine, engine, teacher, engine=engine, decoding=decoding)
        path = tmp_path / f"{engine}.json"
        rows[engine] = measure_system(system, [test_set], CONDITIONS, beside=path)
    ours, theirs = rows["torch"], rows["ctranslate2"]
    assert ours.keys() == theirs.keys()
    assert abs(ours["parameters"] - theirs["parameters"]) < 10
    assert (theirs["dtype"], theirs["beam"]) == ("int8", 1)
    assert theirs["engine_versions"].keys() == {"ctranslate2"}
    assert theirs["chrf_signature"].startswith("nrefs:1|case:mixed|")
    assert min(theirs["calibration"].values()) > 0
    paths = [tmp_path / f"{engine}.json" for engine in rows]
    compared = compare_rows(*paths, "test", test_set.references)
    assert compared.keys() >= {"bleu", "bleu_p", "same"}
    outputs_path(paths[1], "test").write_text("one line\n")
    with pytest.raises(ValueError, match="must hold 10 lines, but holds 1 instead"):
        compare_rows(*paths, "test", test_set.references)


def test_the_command_measures_clocks_and_stages(
    checkpoint, tmp_corpus, tmp_path, capsys
) -> None:
    raw = str(tmp_corpus.parent / "raw")
    arguments = ["measure", "ours", str(checkpoint), "--raw", raw, "--corpus", "copies"]
    arguments += ["--rows", str(tmp_path), "--threads", "1", "--clock", "32:1"]
    arguments += ["--stages", "--candidates", "2"]
    assert cli.main(arguments) == 0
    path = Path(capsys.readouterr().out.strip())
    row = json.loads(path.read_text())
    assert [clock["batch_size"] for clock in row["clocks"]] == [1, 32]
    assert all(clock["sentences_per_s"] > 0 for clock in row["clocks"])
    assert row["decoding"] == {"candidates": 2}
    stages = row["stages_ms"]
    parts = ("tokenise", "encode", "predict", "decode", "detokenise")
    assert all(stages[part] > 0 for part in parts)
    assert stages["host"] < stages["total"]  # what is left: nearly nothing, or noise
    assert stages["total"] > stages["predict"] > stages["per_step"]
    assert len(outputs_path(path, "test").read_text().splitlines()) == 40
    assert cli.main([*arguments, "--compute-type", "int8"]) == 2
    assert "must come with another `--engine`" in capsys.readouterr().err


def test_candidates_of_a_nat_model_do_not_depend_on_the_batch(
    train_into, teacher, tmp_path, test_set
) -> None:
    train_into(tmp_path, 4, "--disable-validation", model=NAT)
    nat = tmp_path / "checkpoint_last.pt"
    decoding = {"candidates": 5, "teacher": teacher}
    judged = vq_nat.load(nat, **decoding)
    together = judged.hypotheses(test_set.sources)
    for size in (1, 3):
        again = judged.hypotheses(test_set.sources, batch_size=size)
        assert [h.tokens for h in again] == [h.tokens for h in together]
    system = System("npd", "NPD 5", nat, decoding=decoding)
    row = measure_system(system, [test_set], CONDITIONS)
    assert (row["passes"], row["beam"], row["n_c"]) == (0, None, None)
    assert row["decoding"] == {"candidates": 5, "teacher": True}


def test_exported_model_is_measured_like_its_checkpoint(
    checkpoint, test_set, tmp_path
) -> None:
    pytest.importorskip("onnxruntime")
    rows = {}
    for engine in ("torch", "onnx"):
        system = System(engine, engine, checkpoint, None, engine)
        beside = tmp_path / f"{engine}.json"
        rows[engine] = measure_system(system, [test_set], CONDITIONS, beside=beside)
    torch_row, onnx_row = rows["torch"], rows["onnx"]
    for same in ("bleu", "chrf", "n_c", "codebook_size", "parameters", "dtype"):
        assert onnx_row[same] == torch_row[same]
    assert onnx_row["engine"] == "onnx"
    assert onnx_row["engine_versions"].keys() == {"onnxruntime"}
    with pytest.raises(ValueError, match="`compute_type` must be one of .*'int3'"):
        System("x", "x", checkpoint, None, "onnx", {"compute_type": "int3"}).open(
            "cpu", 1, "none"
        )


def test_our_engine_is_measured_like_the_checkpoint(
    checkpoint, test_set, tmp_path
) -> None:
    if not native.available():
        pytest.skip("the engine is missing")
    rows, staged = {}, replace(CONDITIONS, stages=True)
    for engine in ("torch", "vq-nat"):
        system = System(engine, engine, checkpoint, None, engine)
        beside = tmp_path / f"{engine}.json"
        rows[engine] = measure_system(system, [test_set], staged, beside=beside)
    torch_row, row = rows["torch"], rows["vq-nat"]
    sizes = ("n_c", "words_per_code", "n_s", "codebook_size", "slices", "passes")
    for same in ("bleu", "chrf", *sizes):
        assert row[same] == torch_row[same]
    assert (row["engine"], row["dtype"]) == ("vq-nat", "float32")
    assert row["parameters"] == torch_row["parameters"]
    assert torch_row["stages_ms"] and row["stages_ms"] is None
    with pytest.raises(ValueError, match="`compute_type` must be one of .*'int3'"):
        System("x", "x", checkpoint, None, "vq-nat", {"compute_type": "int3"}).open(
            "cpu", 1, "none"
        )


def test_an_exported_folder_is_measured_by_its_own_engine_alone(
    checkpoint, tmp_corpus, tmp_path, capsys
) -> None:
    if not native.available():
        pytest.skip("the engine is missing")
    out = tmp_path / "exported"
    assert cli.main(["export", str(checkpoint), str(out)]) == 0
    command = ["measure", "x", str(out), "--raw", str(tmp_corpus.parent / "raw")]
    command += ["--corpus", "c", "--rows", str(tmp_path), "--threads", "1"]
    assert cli.main(command) == 2
    assert "`engine` must be 'vq-nat' for" in capsys.readouterr().err
    command += ["--engine", "vq-nat"]
    assert cli.main([*command, "--compute-type", "float32"]) == 2
    assert "`compute_type` must be 'int8', as" in capsys.readouterr().err
    assert cli.main(command) == 0
    row = json.loads((tmp_path / "c" / "x.json").read_text())
    assert (row["engine"], row["dtype"]) == ("vq-nat", "int8")


def test_the_command_exports_what_is_read_like_a_checkpoint(
    checkpoint, tmp_corpus, test_set, tmp_path, capsys
) -> None:
    pytest.importorskip("onnxruntime")
    out = tmp_path / "exported"
    assert cli.main(["export", str(checkpoint), str(out), "--format", "onnx"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    texts = [*test_set.sources, "", "a b " * 100]
    exported, own = vq_nat.load(out), vq_nat.load(checkpoint)
    assert exported.translate(texts, batch_size=4) == own.translate(texts, batch_size=4)
    assert exported.codes(texts) == own.codes(texts)
    with pytest.raises(ValueError, match="`device` must be 'cpu' for an exported"):
        vq_nat.load(out, device="cuda")

    command = ["measure", "x", str(out), "--raw", str(tmp_corpus.parent / "raw")]
    command += ["--corpus", "c", "--test-set", "valid", "--rows", str(tmp_path)]
    assert cli.main([*command, "--threads", "1"]) == 0
    row = json.loads((tmp_path / "c" / "x.json").read_text())
    assert row["parameters"] == sum(p.numel() for p in own.model.parameters())
    capsys.readouterr()
    assert cli.main(["codes", str(out), str(tmp_corpus)]) == 2
    assert "must be a checkpoint, whose compressor" in capsys.readouterr().err
