"""Calls of whole models: batches, threads, extreme sentences, and what is refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from tests.unit.translation.conftest import EOS, VOCABULARY, batch
from vq_nat import engine

UNK = 3
SETS = engine.engine().supported() if engine.available() else []


def result(translations: Any) -> list[Any]:
    """Returns all that is known of translations, comparable."""
    return [
        [(h.tokens, h.codes, h.positional_scores, h.score, h.count) for h in sentence]
        for sentence in translations
    ]


def sources(count: int) -> list[list[int]]:
    """Draws sentences of 1 to 20 words."""
    lengths = [1 + 7 * i % 20 for i in range(count)]
    rows = batch(lengths)
    return [row[:length].tolist() for row, length in zip(rows, lengths, strict=True)]


@pytest.fixture(params=["latent", "autoregressive"])
def make(request: pytest.FixtureRequest, model_of: Any, to_engine: Any) -> Any:
    """Opens a model of either kind in a number format."""
    model = model_of(request.param)
    return lambda number_format: to_engine(model, number_format)


@pytest.fixture(params=SETS)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Forces an instruction set."""
    before = engine.engine().instruction_set()
    engine.engine().choose(request.param)
    yield request.param
    engine.engine().choose(before)


@pytest.mark.parametrize("number_format", ["int8", "float32"])
@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_neither_batch_nor_order_nor_threads_change_anything(
    make: Any, options_of: Any, instruction_set: str, number_format: str, search: str
) -> None:
    model, rows = make(number_format), sources(70)
    width = 1 if search == "greedy" else 3
    limits = {"max_len_a": 1.0, "max_len_b": 4.0, "guarded": True}
    options = options_of(search=search, width=width, **limits)
    wanted = [result(model.translate([row], options))[0] for row in rows]
    for size in (7, len(rows)):
        results = []
        for start in range(0, len(rows), size):
            results += result(model.translate(rows[start : start + size], options))
        assert results == wanted
    assert result(model.translate(rows[::-1], options)) == wanted[::-1]
    options.threads = 8
    assert result(model.translate(rows, options)) == wanted


@pytest.mark.parametrize("number_format", ["int8", "float32"])
@pytest.mark.parametrize("search", ["greedy", "beam", "lengths", "sample"])
@pytest.mark.parametrize("kind", ["vq", "words"])
def test_a_sentence_does_not_know_what_stands_beside_it(
    model_of: Any,
    to_engine: Any,
    options_of: Any,
    kind: str,
    search: str,
    number_format: str,
) -> None:
    """One may end yet and another may not, one must and another need not."""
    model, rows = to_engine(model_of(kind), number_format), sources(40)
    options = options_of(
        search=search,
        width=1 if search == "greedy" else 3,
        min_length_ratio=1.5,
        max_length_ratio=3.0,
    )
    wanted = [result(model.translate([row], options))[0] for row in rows]
    assert result(model.translate(rows, options)) == wanted


def test_concurrent_calls_do_not_disturb_each_other(make: Any) -> None:
    model, rows = make("int8"), sources(16)
    wanted = result(model.translate(rows))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: result(model.translate(rows)), range(8)))
    assert results == [wanted] * 8


def test_extreme_sentences_are_translated(make: Any, options_of: Any) -> None:
    model = make("int8")
    longest = [4 + i % 30 for i in range(63)] + [EOS]
    rows = [[EOS], [5], [UNK] * 5 + [EOS], longest, [EOS] * 3]
    translations = model.translate(rows, options_of(max_len_a=1, max_len_b=10))
    assert all(
        h.tokens[-1] == EOS and EOS not in h.tokens[:-1] for (h,) in translations
    )
    assert model.translate([]) == []


def test_an_empty_source_has_an_empty_translation(make: Any) -> None:
    model = make("float32")
    first, second = model.translate([[], [5, EOS]])
    assert [h.tokens for h in first] == [[EOS]] and first[0].score == 0
    assert result([second]) == result(model.translate([[5, EOS]]))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([[VOCABULARY]], f"must be from 0 to {VOCABULARY - 1} and no padding"),
        ([[-1]], "but one is -1 instead"),
        ([[5, 1]], "no padding, but one is 1 instead"),
        ([[5] * 65], "must have at most 64 tokens, but has 65 instead"),
    ],
)
def test_sources_that_cannot_be_are_refused(
    make: Any, rows: list[list[int]], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make("float32").translate(rows)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 2}, "`width` must be 1 for a greedy search, but is 2 instead"),
        ({"width": 0}, "`width` must be from 1 to 4096, but is 0 instead"),
        ({"temperature": 0}, "`temperature` must be above 0 and finite"),
        ({"length_penalty": -1}, "`length_penalty` must not be negative"),
        ({"threads": 0}, "`threads` must be from 1 to 1024, but is 0 instead"),
        ({"passes": -1}, "`passes` must be from 0 to 1000, but is -1 instead"),
        ({"max_len_b": float("nan")}, "`max_len_a` and `max_len_b` must be finite"),
        ({"min_length_ratio": -1}, "ratios of lengths must be at least 0"),
        (
            {"min_length_ratio": 2, "max_length_ratio": 1},
            "`min_length_ratio` must be at most `max_length_ratio`",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(
    make: Any, options_of: Any, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make("float32").translate([[5, EOS]], options_of(**changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"special": {"bos": 0, "pad": 2, "eos": 2, "unk": 3}}, "must be four symbols"),
        ({"max_source": 1}, "`max_source` must be from 2 to 1048576, but is 1 instead"),
        # 1,024 · 2²² codes are 2³², which are 0 in 32 bits.
        (
            {"width": 1024, "slices": 1024, "codes_per_slice": 2**22},
            "`codes_per_slice` must be from 2 to 4096, but is 4194304 instead",
        ),
    ],
)
def test_descriptions_that_cannot_be_are_refused(
    build_latent: Any, described: Any, changes: dict[str, Any], sentence: str
) -> None:
    path, description = described(build_latent())
    with pytest.raises(ValueError, match=sentence):
        engine.engine().Model(path, {**description, **changes})


@pytest.mark.parametrize("search", ["greedy", "lengths"])
def test_limits_beyond_all_numbers_are_the_nearest(
    build_latent: Any, to_engine: Any, options_of: Any, search: str
) -> None:
    model, row = to_engine(build_latent()), [[5, 6, EOS]]
    (least,) = model.translate(row, options_of(search=search, max_len_b=-1e300))[0]
    assert least.tokens == [EOS]
    huge = {"max_len_a": 1e300, "max_len_b": 1e300}
    much = options_of(search=search, max_len_a=100, max_len_b=1000)
    assert result(model.translate(row, options_of(search=search, **huge))) == result(
        model.translate(row, much)
    )


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_the_least_length_may_be_any_number(
    build_latent: Any, to_engine: Any, options_of: Any, search: str
) -> None:
    model, row = to_engine(build_latent()), [[5, 6, EOS]]
    longest, wanted = (
        result(model.translate(row, options_of(search=search, min_length=length)))
        for length in (2**31 - 1, 10**6)
    )
    assert longest == wanted and len(longest[0][0][0]) > 50


def test_options_may_change_while_they_are_used(
    build_latent: Any, to_engine: Any, options_of: Any
) -> None:
    model, rows = to_engine(build_latent()), sources(64)
    limits = {"search": "sample", "max_len_b": 20}
    options = options_of(**limits)
    one, two = (
        result(model.translate(rows, options_of(width=n, **limits))) for n in (1, 2)
    )
    with ThreadPoolExecutor(1) as pool:
        calls = [pool.submit(model.translate, rows, options) for _ in range(20)]
        while not all(call.done() for call in calls):
            options.width = 3 - options.width
    assert all(result(call.result()) in (one, two) for call in calls)


def test_a_teacher_reads_the_longest_candidates(
    build_latent: Any, teacher_of: Any, described: Any, options_of: Any
) -> None:
    models = [
        engine.engine().Model(path, {**description, "max_source": 10, "max_target": 10})
        for path, description in map(described, (build_latent(), teacher_of(True)))
    ]
    options = options_of(length_ratio=5.0, min_length=60)
    ((one,),) = models[0].translate_ranked([[5, 6, EOS]], models[1], options)
    assert len(one.tokens) == 10


def test_weights_too_large_to_compute_with_do_no_harm(
    build_latent: Any, to_engine: Any, options_of: Any
) -> None:
    model = build_latent()
    with torch.no_grad():
        model.predictor.output.weight.mul_(1e38)
    translations = to_engine(model).translate(
        sources(8), options_of(search="beam", width=40)
    )
    assert all(h.tokens[-1] == EOS for sentence in translations for h in sentence)


def test_what_a_kind_of_model_cannot_do_is_refused(
    build_latent: Any, teacher_of: Any, to_engine: Any, options_of: Any
) -> None:
    latent, teacher = to_engine(build_latent()), to_engine(teacher_of(True))
    row = [[5, EOS]]
    with pytest.raises(ValueError, match="`search` must be greedy or beam"):
        teacher.translate(row, options_of(search="sample"))
    with pytest.raises(ValueError, match="`passes` must be 0 for an autoregressive"):
        teacher.translate(row, options_of(passes=1))
    with pytest.raises(ValueError, match="`min_length` must be at most the longest"):
        teacher.translate(row, options_of(max_len_b=2, min_length=3))
    with pytest.raises(ValueError, match="`width` must be at most a quarter of the"):
        teacher.translate(row, options_of(search="beam", width=20))
    with pytest.raises(
        ValueError, match="`beam` must be 0 for an autoregressive model"
    ):
        teacher.translate(row, options_of(search="beam", width=2, beam=3))
    for search, width, beam in (("beam", 3, 3), ("sample", 1, 3), ("beam", 1, 5000)):
        with pytest.raises(
            ValueError, match="`beam` must be 0, or of a beam search fr"
        ):
            latent.translate(row, options_of(search=search, width=width, beam=beam))
    with pytest.raises(ValueError, match="must be autoregressive to score"):
        latent.score(row, row)
    with pytest.raises(ValueError, match="the first model must be a latent model"):
        teacher.translate_ranked(row, teacher, options_of())
    with pytest.raises(ValueError, match="the teacher must be autoregressive"):
        latent.translate_verified(row, latent)
    with pytest.raises(ValueError, match="as many targets as sources"):
        teacher.score(row, [])
    with pytest.raises(ValueError, match="`search` must be one of greedy, beam"):
        options_of(search="best")


# ------------------------------------------------------------------------- shortlists


def lexicon(words: dict[int, list[int]], always: list[int]) -> Any:
    """Makes a shortlist of the words that each source word allows."""
    offsets, flat = [0], []
    for token in range(VOCABULARY):
        flat += words.get(token, [])
        offsets.append(len(flat))
    return engine.engine().Lexicon(offsets, flat, always, VOCABULARY)


SEARCHES = [{}, {"search": "beam", "width": 3}]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_a_shortlist_of_all_words_changes_nothing(
    make: Any,
    options_of: Any,
    instruction_set: str,
    number_format: str,
    search: dict[str, Any],
) -> None:
    model, rows = make(number_format), sources(5)
    options = options_of(max_len_b=20, **search)
    everything = lexicon({}, list(range(VOCABULARY)))
    translations = model.translate(rows, options, everything)
    wanted = model.translate(rows, options)
    for own, other in zip(translations, wanted, strict=True):
        assert [h.tokens for h in own] == [h.tokens for h in other]


@pytest.mark.parametrize("search", SEARCHES)
def test_only_words_of_the_shortlist_are_written(
    make: Any, options_of: Any, search: dict[str, Any]
) -> None:
    model = make("int8")
    allowed = lexicon({5: [10, 11], 6: [12]}, [20])
    options = options_of(min_length=2, max_len_b=12, **search)
    first, second = model.translate([[5, EOS], [6, 5, EOS]], options, allowed)
    assert any(len(h.tokens) > 1 for h in (*first, *second))
    assert all(set(h.tokens) <= {EOS, 10, 11, 20} for h in first)
    assert all(set(h.tokens) <= {EOS, 10, 11, 12, 20} for h in second)
    (alone,) = model.translate([[6, 5, EOS]], options, allowed)
    assert result([second]) == result([alone])


@pytest.mark.parametrize("number_format", ["int8", "float32"])
def test_of_a_shortlist_the_word_with_the_best_score_is_written(
    teacher_of: Any,
    to_engine: Any,
    options_of: Any,
    instruction_set: str,
    number_format: str,
) -> None:
    model, rows = to_engine(teacher_of(True), number_format), sources(3)
    words, most = [5, 9, 12, 30, EOS], 8
    options = options_of(max_len_b=most, max_len_a=0)
    translations = model.translate(rows, options, lexicon({}, words))
    for row, (one,) in zip(rows, translations, strict=True):
        for place in range(min(len(one.tokens), most)):
            here = words if place > 0 else words[:-1]  # no translation is empty
            ways = [[*one.tokens[:place], word] for word in here]
            scores = [line[-1] for line in model.score([row] * len(here), ways)]
            assert one.tokens[place] == here[scores.index(max(scores))]


def test_shortlists_that_cannot_be_are_refused(make: Any) -> None:
    other = engine.engine().Lexicon([0, 0], [], [], VOCABULARY)
    with pytest.raises(ValueError, match="shortlist must be for the model's vocabular"):
        make("float32").translate([[5, EOS]], lexicon=other)
    with pytest.raises(ValueError, match="but one is 40 instead"):
        lexicon({}, [VOCABULARY])
    with pytest.raises(ValueError, match="must ascend from 0 to the number of words"):
        engine.engine().Lexicon([0, 2], [5], [], VOCABULARY)
