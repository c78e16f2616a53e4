"""Text in, text out, through a checkpoint that fairseq-train wrote."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from math import nan
from pathlib import Path

import pytest
import torch

import vq_nat

TEXTS = ["a b c", "", "d e f g h a b", "  ", "k", "ünknown ☂ a", "t s r q p o n m l k"]


def test_lines_are_kept_in_number_and_order(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint)
    together = translator.translate(TEXTS)
    assert len(together) == len(TEXTS)
    assert together[1] == together[3] == ""
    assert together == [translator.translate([text])[0] for text in TEXTS]
    assert together == translator.translate(TEXTS, batch_size=2)
    assert together[::-1] == translator.translate(TEXTS[::-1])


def test_codes_stand_for_chunks_of_words(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint)
    hypotheses = translator.hypotheses(TEXTS)
    assert hypotheses[1].codes == []
    for hypothesis in hypotheses:
        assert len(hypothesis.tokens) <= 4 * len(hypothesis.codes) + 1
        assert all(0 <= code < 16 for step in hypothesis.codes for code in step)
    assert translator.codes(TEXTS) == [hypothesis.codes for hypothesis in hypotheses]


def test_a_teacher_translates_through_the_same_door(
    train, teacher_model, tmp_path
) -> None:
    train(tmp_path, 2, "--disable-validation", model=teacher_model)
    translator = vq_nat.load(tmp_path / "checkpoint_last.pt", beam=2)
    assert len(translator.translate(TEXTS)) == len(TEXTS)
    assert translator.codes(TEXTS[:1]) == [[]]


def test_a_teacher_s_longest_output_does_not_depend_on_its_batch(
    train, teacher_model, tmp_path
) -> None:
    """fairseq takes the bound of all from the longest source of a batch."""
    train(tmp_path, 1, "--disable-validation", model=teacher_model)
    bounds = {"beam": 1, "max_len_a": 1.0, "max_len_b": 2}
    translator = vq_nat.load(tmp_path / "checkpoint_last.pt", **bounds)
    texts = ["a", "b c d e f g h i", "c", "b c d e f g h j"]
    together = [h.tokens for h in translator.hypotheses(texts)]
    assert together == [translator.hypotheses([one])[0].tokens for one in texts]
    assert len(together[0]) <= len("a") + 1 + 2 + 1 < len(together[1])


def test_refinement_passes_are_accepted(checkpoint: Path) -> None:
    assert len(vq_nat.load(checkpoint, passes=3).translate(TEXTS)) == len(TEXTS)


def made(hypotheses) -> list[tuple]:
    """What must be the same: all but the time it took."""
    return [(h.text, h.tokens, h.codes, h.passes) for h in hypotheses]


def test_long_lines_are_translated_sentence_by_sentence(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint, max_len_b=20)
    # The longest of the 200 training sources have ten letters and their end.
    assert translator.task.state.state_dict["trained_source"] == 11
    parts = ["The b c d it.", "See h i j k l me!", "Not it."]
    together = translator.hypotheses(["a", " ".join(parts), "b c"])
    alone = translator.hypotheses(["a", *parts, "b c"])
    assert made(together[:1] + together[2:]) == made(alone[:1] + alone[-1:])
    joined = [alone[1:4], together[1:2]]
    for field in ("tokens", "codes"):
        one, other = ([x for h in of for x in getattr(h, field)] for of in joined)
        assert one == other
    assert together[1].text == " ".join(h.text for h in alone[1:4] if h.text)


def test_endless_sentences_are_cut(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint, max_len_b=20)
    words = " ".join(["a", "b", "c"] * 700)
    alone = translator.hypotheses([" ".join(["a", "b", "c"] * 42 + ["a"])])  # 128
    (together,) = translator.hypotheses([words])
    assert together.tokens[: len(alone[0].tokens)] == alone[0].tokens
    assert len(together.tokens) >= 17  # pieces of 127 words, each with its end


def test_signs_of_the_dictionary_are_text_as_well(checkpoint: Path) -> None:
    codec = vq_nat.load(checkpoint).codec
    codec.tokenizer = codec.bpe = AsItIs()  # Moses would escape them
    tokens = codec.encode("a </s> <pad> <s> <unk> b")
    assert tokens[1:5].eq(codec.source.unk()).all()
    assert tokens.eq(codec.source.eos()).sum() == 1
    assert len(tokens) == 7


class AsItIs:
    """Cuts at spaces, and cuts nothing farther."""

    def tokens(self, text: str) -> list[str]:
        return text.split()

    def pieces(self, tokens: list[str]) -> list[str]:
        return tokens


def test_a_stream_reads_one_batch_ahead(checkpoint: Path) -> None:
    translator, read = vq_nat.load(checkpoint, max_len_b=20), []

    def lines():
        for text in TEXTS:
            read.append(text)
            yield text

    stream = translator.stream(lines(), batch_size=2)
    assert read == []
    first = next(stream)
    assert len(read) == 2
    assert [first, *stream] == translator.translate(TEXTS)


@pytest.mark.parametrize("options", [{}, {"code_search": "sample", "candidates": 2}])
def test_settings_of_a_call_come_before_those_of_loading(checkpoint, options) -> None:
    translator = vq_nat.load(checkpoint, max_len_b=20, **options)
    plain = vq_nat.load(checkpoint, max_len_b=20, passes=1, **options)
    asked = {**options, "candidates": 3, "passes": 2}
    other = vq_nat.load(checkpoint, max_len_b=20, **asked)
    of_call = translator.nbest(TEXTS, candidates=3, passes=2)
    assert [made(of_one) for of_one in of_call] == [made(h) for h in other.nbest(TEXTS)]
    once = translator.hypotheses(TEXTS, passes=1)
    assert made(once) == made(plain.hypotheses(TEXTS))
    assert made(once) != made(other.hypotheses(TEXTS))


def test_a_teacher_chooses_and_its_time_is_told(
    checkpoint: Path, train, teacher_model, tmp_path: Path
) -> None:
    train(tmp_path / "teacher", 2, "--disable-validation", model=teacher_model)
    path = tmp_path / "teacher" / "checkpoint_last.pt"
    translator = vq_nat.load(checkpoint, teacher=path, candidates=4, max_len_b=20)
    for candidates in translator.nbest([text for text in TEXTS if text.strip()]):
        ranks = [h.teacher_score / len(h.tokens) for h in candidates]
        assert [h.rank_score for h in candidates] == pytest.approx(ranks)
        assert ranks == sorted(ranks, reverse=True)
        assert all(0 < h.teacher_seconds < h.seconds for h in candidates)
    alone = translator.hypotheses(["a b"], candidates=1)[0]
    assert alone.teacher_score is None and alone.teacher_seconds == 0


def test_a_teacher_with_another_dictionary_is_refused(
    checkpoint: Path, train, teacher_model, tmp_path: Path
) -> None:
    train(tmp_path / "teacher", 1, "--disable-validation", model=teacher_model)
    path = tmp_path / "teacher" / "checkpoint_last.pt"
    state = torch.load(path, weights_only=True)
    name = "decoder.embed_tokens.weight"
    state["model"][name] = state["model"][name][:-1]
    torch.save(state, path)
    with pytest.raises(ValueError, match="must hold 24 symbols, as the student's, but"):
        vq_nat.load(checkpoint, teacher=path, candidates=4)


def test_threads_read_from_one_translator(checkpoint: Path) -> None:
    translator = vq_nat.load(checkpoint, max_len_b=20, candidates=2)
    expected = made(translator.hypotheses(TEXTS))
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda _: made(translator.hypotheses(TEXTS)), range(12))
        assert all(one == expected for one in results)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"hope": 1},
            "decoding options must be among beam, candidates, .*, but one",
        ),
        ({"rescore": "bleu"}, "`rescore` must be one of model, chrf, but is 'bleu'"),
        ({"code_search": "sample", "temperature": -1.0}, "`temperature` must be above"),
        ({"passes": -1}, "`passes` must be at least 0, but is -1 instead"),
        (
            {"length_mode": "ratio", "length_ratio": 0.0},
            "`length_ratio` must be above 0",
        ),
        (
            {"max_length_ratio": -1.0},
            "`max_length_ratio` must be at least 0 and finite",
        ),
        (
            {"min_length_ratio": nan},
            "`min_length_ratio` must be .*, but is nan instead",
        ),
        (
            {"min_length_ratio": 2.0, "max_length_ratio": 1.0},
            "must be at most `max_len",
        ),
    ],
)
def test_wrong_options_are_refused_at_once(checkpoint, options, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        vq_nat.load(checkpoint, **options)


@pytest.mark.parametrize("door", ["translate", "nbest", "stream"])
def test_sentences_and_batches_that_are_none_are_refused(checkpoint, door) -> None:
    translate = getattr(vq_nat.load(checkpoint), door)
    with pytest.raises(ValueError, match="`sentences` must be a list of strings, but"):
        list(translate("A sentence."))
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"`batch_size` .* 1, but is {size} inste"):
            list(translate(["a b"], batch_size=size))


def test_options_of_the_other_kind_of_model_are_refused(
    checkpoint: Path, train, teacher_model, tmp_path: Path
) -> None:
    train(tmp_path, 1, "--disable-validation", model=teacher_model)
    teacher = tmp_path / "checkpoint_last.pt"
    with pytest.raises(ValueError, match="`passes` must be 0 for an autoregressive mo"):
        vq_nat.load(teacher, passes=2)
    with pytest.raises(ValueError, match="`candidates` must be 1 for an autoregressiv"):
        vq_nat.load(teacher, candidates=2)
    with pytest.raises(ValueError, match="`teacher` must be None for an autoregressiv"):
        vq_nat.load(teacher, teacher=teacher)
    with pytest.raises(ValueError, match="`beam` must be 1 for a model that writes al"):
        vq_nat.load(checkpoint, beam=2)
    with pytest.raises(ValueError, match="`code_search` must be 'beam' for an autoreg"):
        vq_nat.load(teacher, code_search="sample")
    wide = vq_nat.load(teacher).translate(["a b"], candidates=3)
    assert wide == vq_nat.load(teacher, beam=3).translate(["a b"])


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.pt does not exist"):
        vq_nat.load(tmp_path / "nowhere.pt")


def test_a_data_folder_without_text_processing_is_refused(
    checkpoint: Path, tmp_corpus: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(tmp_corpus / "dict.en.txt", bare)
    with pytest.raises(FileNotFoundError, match=r"has no text\.json"):
        vq_nat.load(checkpoint, data=bare)
