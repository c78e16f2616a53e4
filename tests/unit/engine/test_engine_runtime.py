"""An exported folder translates as its model does, without torch and fairseq."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq.data import Dictionary

import vq_nat
from vq_nat import engine
from vq_nat.engine.folder import read_description
from vq_nat.engine.runtime import EngineTranslator, load_folder

pytestmark = pytest.mark.skipif(not engine.available(), reason="no engine")
TEXTS = [
    "a b c",
    "",
    "d e f g h a b",
    "  ",
    "k",
    "ünknown ☂ a",
    "t s r q p",
    "a b " * 70,
]


@pytest.fixture
def words(letters: Dictionary) -> Dictionary:
    """Letters and digits, of the teacher as well."""
    return letters


def same(own: list[Any], expected: list[Any]) -> None:
    """Compares hypotheses of sentences, figures within what float32 gives."""
    for ours, theirs in zip(own, expected, strict=True):
        assert [h.text for h in ours] == [h.text for h in theirs]
        assert [h.tokens for h in ours] == [h.tokens for h in theirs]
        assert [h.codes for h in ours] == [h.codes for h in theirs]
        for name in ("score", "rank_score"):
            figures = [[getattr(h, name) for h in hs] for hs in (ours, theirs)]
            assert figures[0] == pytest.approx(figures[1], abs=1e-3, rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [{}, {"vq_slices": 2}, {"vq_kind": "words", "words_per_code": 2}],
    ids=str,
)
def test_a_latent_model_translates_as_before(
    build_latent: Any, exported: Any, by_torch: Any, options: dict[str, Any]
) -> None:
    model = build_latent(shown_sentences=0.1, **options)
    ours = vq_nat.load(exported(model))
    theirs = by_torch(model)
    assert isinstance(ours, EngineTranslator)
    assert ours.translate(TEXTS) == theirs.translate(TEXTS)
    assert ours.codes(TEXTS) == theirs.codes(TEXTS)
    same(ours.nbest(TEXTS), theirs.nbest(TEXTS))
    same(ours.nbest(TEXTS, candidates=3), theirs.nbest(TEXTS, candidates=3))
    same(ours.nbest(TEXTS, passes=2), theirs.nbest(TEXTS, passes=2))
    assert list(ours.stream(iter(TEXTS), 2)) == ours.translate(TEXTS)
    assert ours.translate(TEXTS[::-1]) == ours.translate(TEXTS)[::-1]


def test_long_lines_are_taken_apart_as_before(
    build_latent: Any, exported: Any, by_torch: Any
) -> None:
    model = build_latent()
    line = "So a b c d. Then e f g! And h i j k l m n o p"
    lines = [line, "a b", line.replace("Then", "then")]
    whole = vq_nat.load(exported(model)).translate(lines)
    ours = vq_nat.load(exported(model, name="apart", trained=8))
    theirs = by_torch(model)
    assert theirs.translate(lines) == whole
    theirs.task.state.merge_state_dict({"trained_source": 8})
    same(ours.nbest(lines), theirs.nbest(lines))
    assert ours.translate(lines) == theirs.translate(lines) != whole


@pytest.mark.parametrize("pre_norm", [True, False])
def test_an_autoregressive_model_translates_as_before(
    teacher_of: Any, exported: Any, by_torch: Any, pre_norm: bool
) -> None:
    model = teacher_of(pre_norm)
    ours = vq_nat.load(exported(model), max_len_b=20)
    theirs = by_torch(model, max_len_b=20)
    same(ours.nbest(TEXTS[:7]), theirs.nbest(TEXTS[:7]))
    wide = [one.nbest(TEXTS[:7], candidates=3) for one in (ours, theirs)]
    same(*wide)


@pytest.mark.parametrize("draft", [{}, {"candidates": 3}, {"passes": 2}], ids=str)
@pytest.mark.parametrize("number_format", ["float32", "int8"])
def test_a_teacher_verifies(
    build_latent: Any,
    teacher_of: Any,
    exported: Any,
    number_format: str,
    draft: dict[str, int],
) -> None:
    judge = exported(teacher_of(True), number_format, "teacher")
    student = exported(build_latent(shown_sentences=0.1), number_format)
    ours = vq_nat.load(student, teacher=judge, verify=True, **draft)
    plain, teacher = vq_nat.load(student, **draft), vq_nat.load(judge)
    assert ours.translate(TEXTS) == teacher.translate(TEXTS)
    verified, wanted = ours.hypotheses(TEXTS[:3]), teacher.hypotheses(TEXTS[:3])
    for h, other, drafted in zip(verified, wanted, plain.hypotheses(TEXTS[:3])):
        assert h.tokens == other.tokens
        assert h.codes == drafted.codes
        assert min(1, len(h.tokens)) <= h.passes <= len(h.tokens)
        if h.tokens:
            assert h.teacher_score == h.score
            assert h.score == pytest.approx(other.score * len(h.tokens), rel=1e-4)


def test_a_verifying_teacher_writes_as_many_words_as_are_asked_for(
    build_latent: Any, teacher_of: Any, exported: Any
) -> None:
    student = exported(build_latent())
    judge = exported(teacher_of(True), name="teacher")
    bounds = {"min_len": 9, "max_len_b": 12}
    ours = vq_nat.load(student, teacher=judge, verify=True, **bounds)
    wanted = vq_nat.load(judge, **bounds).hypotheses(TEXTS)
    assert [h.tokens for h in ours.hypotheses(TEXTS)] == [h.tokens for h in wanted]
    assert any(len(h.tokens) > 9 for h in wanted)


def test_the_engine_verifies_as_torch_does(
    build_latent: Any, teacher_of: Any, exported: Any, by_torch: Any
) -> None:
    teacher, latent = teacher_of(True), build_latent()
    lengths = {"max_len_a": 0.5, "max_len_b": 3}
    student, judge = exported(latent), exported(teacher, name="teacher")
    asked = {"teacher": judge, "verify": True, **lengths}
    ours = vq_nat.load(student, **asked)
    theirs = by_torch(latent, judge=teacher, teacher="t", verify=True, **lengths)
    same(ours.nbest(TEXTS), theirs.nbest(TEXTS))
    with pytest.raises(ValueError, match="`verify_best` must be 1 for an exported mod"):
        vq_nat.load(student, verify_best=2, **asked)
    with pytest.raises(ValueError, match="`teacher` must be None for an exported mod"):
        vq_nat.load(judge, **asked)


def test_a_teacher_ranks(build_latent: Any, teacher_of: Any, exported: Any) -> None:
    judge = exported(teacher_of(True), name="teacher")
    ours = load_folder(exported(build_latent()), teacher=judge, candidates=4)
    for hypotheses in ours.nbest(TEXTS[:1] + TEXTS[2:3]):
        ranks = [h.rank_score for h in hypotheses]
        assert ranks == sorted(ranks, reverse=True)
        for h in hypotheses:
            assert h.teacher_score == pytest.approx(h.rank_score * len(h.tokens))
    ((alone,),) = ours.nbest(TEXTS[:1], candidates=1)  # which it is not asked about
    assert alone.teacher_score is None
    with pytest.raises(ValueError, match="`teacher` must be an autoregressive model"):
        load_folder(
            exported(build_latent(), name="x"),
            teacher=exported(build_latent(), name="y"),
        )


def test_the_history_is_kept_if_it_is_asked_for(
    build_latent: Any, exported: Any, by_torch: Any
) -> None:
    model = build_latent(shown_sentences=0.5)
    torch.nn.init.normal_(model.hidden_word)
    asked = {"passes": 2, "retain_iter_history": True}
    ours = load_folder(exported(model), **asked).hypotheses(TEXTS)
    theirs = by_torch(model, **asked).hypotheses(TEXTS)
    assert [h.history for h in ours] == [h.history for h in theirs]
    assert len(ours[0].history) == ours[0].passes + 1


def test_what_was_verified_stands_behind_the_passes_of_its_draft(
    build_latent: Any, teacher_of: Any, exported: Any, by_torch: Any
) -> None:
    teacher, model = teacher_of(True), build_latent()
    judge = str(exported(teacher, name="judge"))
    asked = {"verify": True, "retain_iter_history": True, "teacher": judge}
    ours = load_folder(exported(model), **asked).hypotheses(TEXTS)
    theirs = by_torch(model, teacher, **asked).hypotheses(TEXTS)
    assert [h.history for h in ours] == [h.history for h in theirs]
    assert len(ours[0].history) == 2 and ours[0].history[-1] == ours[0].text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"threads": 1.5}, "`threads` must be a whole number from 0 to 1024, but is"),
        ({"threads": 5000}, "`threads` must be a whole number from 0 to 1024, but is"),
        ({"passes": 2000}, "`passes` must be at most 1000 for an exported model, but"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_at_once(
    build_latent: Any, exported: Any, options: dict[str, Any], sentence: str
) -> None:
    folder = exported(build_latent(shown_sentences=0.5))
    with pytest.raises(ValueError, match=sentence):
        load_folder(folder, **options)


def test_no_least_number_of_words_is_beyond_a_teachers_positions(
    build_latent: Any, teacher_of: Any, exported: Any, by_torch: Any
) -> None:
    """Neither where it writes, nor where it reads drafts; nor of a short sentence."""
    teacher, model = teacher_of(True), build_latent()
    judge, folder = exported(teacher, name="judge"), exported(model)
    verify = {"verify": True, "teacher": str(judge)}
    for most, options in (
        (63, {"min_len": 64}),
        (8, {"min_len": 9, "max_len_a": 1.5, "max_len_b": 5}),
    ):
        sentence = f"`min_len` must be at most {most}, which is how many words the aut"
        for load in (
            lambda options=options: load_folder(judge, **options),
            lambda options=options: by_torch(teacher, **options),
            lambda options=options: load_folder(folder, **options, **verify),
            lambda options=options: by_torch(model, teacher, **options, **verify),
        ):
            with pytest.raises(ValueError, match=sentence):
                load()
        assert by_torch(model, **options).translate(["a"])  # the upper bound holds


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ((None,), "`sentences` must be a list of strings, but is of type NoneType in"),
        ((["a"], 1.5), "`batch_size` must be a whole number at least 1, but is 1.5 "),
    ],
)
def test_arguments_of_another_type_are_refused(
    build_latent: Any, exported: Any, call: tuple[Any, ...], sentence: str
) -> None:
    translator = load_folder(exported(build_latent()))
    with pytest.raises(ValueError, match=sentence):
        translator.translate(*call)
    with pytest.raises(ValueError, match="`rivals` must be a whole number at least 0"):
        translator.inspect(["a"], rivals=0.5)


def test_threads_and_number_formats_change_no_order(
    build_latent: Any, exported: Any
) -> None:
    folder = exported(build_latent(), "int8")
    outputs = [load_folder(folder, threads=n).translate(TEXTS) for n in (1, 3)]
    assert outputs[0] == outputs[1]
    assert outputs[0][1] == outputs[0][3] == ""


REFUSED = [
    ({"beams": 2}, "decoding options must be among .* but one is 'beams' instead"),
    ({"device": "cuda"}, "`device` must be 'cpu' for an exported model, but is 'cuda'"),
    ({"data": "x"}, "`data` must be None for an exported model, but is 'x' instead"),
    ({"autocast": "bfloat16"}, "`autocast` must be 'none' for an exported model that"),
    ({"beam": 2}, "`beam` must be 1 for an exported model that is latent, but is 2"),
    ({"rescore": "chrf"}, "`rescore` must be 'model' for an exported model that is"),
    ({"refinement": "latent"}, "`refinement` must be 'mask' for an exported model"),
    ({"true_codes": True}, "`true_codes` must be False for an exported model that is"),
    ({"code_search": "x"}, "`code_search` must be one of beam, sample, lengths, but"),
    ({"passes": 1}, "`passes` must be 0, but is 1 instead: the model was trained with"),
    ({"temperature": 5.0}, "`temperature` must be 1 unless `code_search` is 'sample'"),
    ({"candidates": 5000}, "`candidates` must be at most 4096 for this model, but is"),
    ({"code_beam": 5000}, "`code_beam` must be at most 4096 for this model, but is"),
    ({"candidates": 2**33}, "`candidates` must be from -2147483647 to 2147483647"),
    ({"sampling_seed": 2**64}, "`sampling_seed` must be from -9223372036854775807 to"),
    ({"max_len_b": 10**400}, "`max_len_b` must be from -2147483647 to 2147483647"),
]


def test_what_the_engine_cannot_serve_is_refused(
    build_latent: Any, teacher_of: Any, exported: Any
) -> None:
    folder = exported(build_latent())
    for options, message in REFUSED:
        with pytest.raises(ValueError, match=message):
            vq_nat.load(folder, **options)
    translator = vq_nat.load(folder)
    with pytest.raises(ValueError, match="`references` must be None for an exported"):
        translator.translate(["a"], references=["b"])
    with pytest.raises(ValueError, match="`sentences` must be a list of strings"):
        translator.translate("a b")
    teacher = exported(teacher_of(True), name="teacher")
    with pytest.raises(ValueError, match="`passes` must be 0 for an exported model"):
        vq_nat.load(teacher, passes=1)
    with pytest.raises(ValueError, match="`beam` must be at most .* but is 1000 inst"):
        vq_nat.load(teacher, beam=1000)


def test_a_least_number_of_words_is_that_of_the_model(
    build_latent: Any, exported: Any, by_torch: Any
) -> None:
    model = build_latent()
    asked = {"min_len": 9, "max_len_b": 20}
    texts = ["a b c", "d e f g h a b", "k"]
    ours = load_folder(exported(model, "float32"), **asked).hypotheses(texts)
    theirs = by_torch(model, **asked).hypotheses(texts)
    assert [h.tokens for h in ours] == [h.tokens for h in theirs]
    assert min(len(h.tokens) for h in ours) >= 9


def test_a_folder_that_has_changed_is_refused(build_latent: Any, exported: Any) -> None:
    folder = exported(build_latent())
    description = read_description(folder)
    assert description["number_format"] == "float32" and description["version"] == "1.0"

    def refused(message: str, **changes: Any) -> None:
        changed = {**description, **changes}
        (folder / "description.json").write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=message):
            vq_nat.load(folder)

    refused("must have the format 1, but has 2 instead: export", format=2)
    refused("`kind` in .* must be one of latent, autoregressive, but is 'x'", kind="x")
    refused("must list its `files`, but does not", files=None)
    for name in description["files"]:
        listed = {k: v for k, v in description["files"].items() if k != name}
        refused(f"must list {name} among its `files`, but does not", files=listed)
    outside = {**description["files"], "../data/text.json": ""}
    refused("must hold ../data/text.json, as .* says, but has none", files=outside)
    missing = {**description["files"], "no": ""}
    refused("must hold no, as .*description.json says, but has none", files=missing)
    refused("`languages` in .* must be two names", languages=["en", "/etc"])
    refused("`languages` in .* must be two names", languages=["..", "de"])
    refused(
        "`encoder_layers` must be from 1 to 256, but is 1000000", encoder_layers=10**6
    )
    refused("must", encoder_layers=3)
    refused("must", width=10**9)
    (folder / "description.json").write_text("[" * 100_000)
    with pytest.raises(
        ValueError, match="cannot be read as one: it is nested too deeply"
    ):
        vq_nat.load(folder)
    (folder / "description.json").write_text(json.dumps(description))
    with open(folder / "dict.de.txt", "a") as file:
        file.write("more 1\n")
    with pytest.raises(
        ValueError, match=r"dict\.de\.txt must be .* but has another content"
    ):
        vq_nat.load(folder)


@pytest.mark.parametrize("kind", ["latent", "words", "autoregressive"])
def test_a_shortlist_bounds_the_words(
    model_of: Any, exported: Any, data: Path, kind: str
) -> None:
    latent = kind != "autoregressive"
    folder = exported(model_of(kind))
    both = {"candidates" if latent else "beam": 3}
    path, plain = data.parent / "words.txt", vq_nat.load(folder, **both)
    symbols = plain.codec.target.symbols[4:]
    path.write_text("\t<s> <unk> " + " ".join(symbols) + "\n")
    text = ["a b c", "b", ""]
    everything = vq_nat.load(folder, shortlist=str(path), **both)
    assert everything.translate(text) == plain.translate(text)
    path.write_text(f"\t{symbols[3]}\n{symbols[0]}\t{symbols[5]} {symbols[7]}\n")
    few = vq_nat.load(folder, shortlist=str(path), **both)
    allowed = {symbols[3], symbols[5], symbols[7], "</s>"}
    for one in few.hypotheses([*text, symbols[0]]):
        assert set(one.tokens) <= allowed
    assert few.translate(text) != plain.translate(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\n", "line 1 of .*words.txt must have a tab, but is 'a'"),
        ("\ta\n\tb no\n", "line 2 of .* words of the model's dictionaries, but has"),
        ("no\ta\n", "line 1 of .* must have words of the model's dictionaries, but"),
        (None, "words.txt does not exist"),
        ("", "must have a line without a word of the source, of the words that are"),
        ("a\tb\n", "always allowed, but has none."),
    ],
)
def test_shortlists_of_others_are_refused(
    build_latent: Any, exported: Any, data: Path, content: str | None, message: str
) -> None:
    path = data.parent / "words.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises((ValueError, OSError), match=message):
        vq_nat.load(exported(build_latent()), shortlist=str(path))


def test_shortlists_are_refused_where_they_would_do_nothing(
    build_latent: Any, exported: Any, by_torch: Any, data: Path
) -> None:
    path = data.parent / "words.txt"
    path.write_text("\ta\n")
    with pytest.raises(ValueError, match="`shortlist` must be None for a.*vq-nat expo"):
        by_torch(build_latent(), shortlist=str(path)).translate(["a"])
    few = vq_nat.load(exported(build_latent()), shortlist=str(path))
    with pytest.raises(ValueError, match="`shortlist` must be None where codes are gi"):
        few.inspect(["a"], [[[1]]])


LIGHT = """
import sys
import vq_nat
translator = vq_nat.load(sys.argv[1], threads=1)
print(translator.translate(["a b c"])[0])
memory = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(int(memory), file=sys.stderr)  # KiB, the most there was since this began
heavy = {"torch", "fairseq", "sacremoses", "sentencex", "numpy", "tqdm"}
heavy &= set(sys.modules)
sys.exit(f"imported: {sorted(heavy)}" if heavy else 0)
"""


def test_a_folder_is_read_without_anything_heavy(
    build_latent: Any, exported: Any
) -> None:
    folder = exported(build_latent(), "int8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    by_door, by_command = (
        subprocess.run(
            [sys.executable, *command],
            input="a b c\n",
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(vq_nat.__file__).parents[1])},
        )
        for command in (
            ["-c", LIGHT, str(folder)],
            ["-m", "vq_nat.cli", "translate", str(folder)],
        )
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert by_door.returncode == 0, by_door.stderr
    assert int(by_door.stderr) < 150 * 1024
    assert by_command.stdout == by_door.stdout
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 2 * 0.5  # seconds of CPU time, both
