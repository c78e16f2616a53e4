"""Words as codes in the engine: what the PyTorch model and its generator give."""

from functools import partial
from typing import Any

import pytest
import torch

from tests.unit.engine.test_models_latent import LENGTHS, agree, generate, sentences
from tests.unit.translation.conftest import EOS, VOCABULARY, batch
from vq_nat import engine
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.decoding.limits import SearchOptions

UNK = 3

pytest.importorskip("vq_nat.translation.word_codes")


@pytest.fixture(params=[2, 3, 4])
def model(request: pytest.FixtureRequest, build_latent: Any) -> Any:
    """A model of k words a code, whose hidden word is seen."""
    latent = build_latent(vq_kind="words", words_per_code=request.param)
    torch.nn.init.normal_(latent.hidden_word)
    return latent


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ({"guarded": True}, {"guarded": True}),
        ({"most": 1.0}, {"max_length_ratio": 1.0}),
        ({"least": 1.5}, {"min_length_ratio": 1.5}),
        ({"fixed": 1.2}, {"length_ratio": 1.2}),
        # Bounds that contradict each other: the upper one holds, and its end stays.
        ({"most": 1.0, "shortest": 6}, {"max_length_ratio": 1.0, "min_length": 6}),
        ({"most": 0.5, "shortest": 40}, {"max_length_ratio": 0.5, "min_length": 40}),
    ],
)
def test_greedy_codes_and_words_are_those_of_the_model(
    model: Any,
    to_engine: Any,
    options_of: Any,
    words: Any,
    rule: dict[str, Any],
    options: dict[str, Any],
) -> None:
    rows = batch(LENGTHS)
    translations = to_engine(model).translate(sentences(rows), options_of(**options))
    agree(translations, generate(model, words, rows, lengths=LengthRule(**rule)))
    for (one,) in translations:  # the words of codes stand where they belong
        assert one.codes[-1] == EOS
        chunk = model.chunk
        places = range(chunk - 1, len(one.tokens) - 1, chunk)
        assert [one.tokens[i] for i in places] == one.codes[: len(places)]


@pytest.mark.parametrize(
    ("kind", "width", "beam"),
    [("beam", 3, 0), ("beam", 1, 4), ("sample", 3, 0), ("lengths", 3, 0)],
)
def test_candidates_are_those_of_the_search(
    model: Any,
    to_engine: Any,
    options_of: Any,
    words: Any,
    kind: str,
    width: int,
    beam: int,
) -> None:
    rows = batch(LENGTHS)
    search = SearchOptions(kind, width, beam=beam)
    wanted = generate(model, words, rows, search=search, lengths=LengthRule(most=1.5))
    options = options_of(search=kind, width=width, beam=beam, max_length_ratio=1.5)
    agree(to_engine(model).translate(sentences(rows), options), wanted)


@pytest.mark.parametrize("listed", [[5, 9, 12, 20, 30], [7], [], range(3, VOCABULARY)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"search": "beam", "width": 2, "beam": 9},
        {"length_ratio": 1.2},
        {"search": "lengths", "width": 3},
        {"search": "sample", "width": 3},
        {"min_length": 5},
        {"passes": 2},
    ],
    ids=str,
)
def test_of_a_shortlist_codes_and_words_are_those_of_the_model(
    model: Any,
    to_engine: Any,
    options_of: Any,
    words: Any,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    listed: Any,
) -> None:
    rows, kind = batch(LENGTHS), options.get("search", "greedy")
    lexicon = engine.engine().Lexicon([0] * (VOCABULARY + 1), [], [*listed], VOCABULARY)
    asked = options_of(guarded=True, **options)
    own = to_engine(model).translate(sentences(rows), asked, lexicon)
    alone = [
        to_engine(model).translate([r], asked, lexicon)[0] for r in sentences(rows)
    ]
    assert [[h.tokens for h in one] for one in own] == [
        [h.tokens for h in one] for one in alone
    ]

    allowed = torch.full((VOCABULARY,), -float("inf"))
    allowed[[*(listed or [UNK]), EOS, model.pad]] = 0.0  # there must be a choice
    for holder, name in ((model, "project"), (model.predictor, "score")):
        scores = getattr(holder, name)
        masked = partial(lambda scores, states: scores(states) + allowed, scores)
        monkeypatch.setattr(holder, name, masked)
    search = SearchOptions(kind, options.get("width", 1), beam=options.get("beam", 0))
    fixed, least = options.get("length_ratio", 0.0), options.get("min_length", 1)
    rule = LengthRule(guarded=True, shortest=least, fixed=fixed)
    passes = options.get("passes", 0)
    agree(
        own, generate(model, words, rows, search=search, lengths=rule, max_iter=passes)
    )


def test_passes_of_refinement_are_those_of_the_generator(
    model: Any, to_engine: Any, options_of: Any, words: Any
) -> None:
    rows = batch(LENGTHS)
    wanted = generate(model, words, rows, max_iter=2, lengths=LengthRule(guarded=True))
    options = options_of(passes=2, guarded=True)
    agree(to_engine(model).translate(sentences(rows), options), wanted)


def test_scores_are_optional(model: Any, to_engine: Any, options_of: Any) -> None:
    opened, rows = to_engine(model), sentences(batch(LENGTHS))
    plain = opened.translate(rows, options_of(want_scores=False, guarded=True))
    wanted = opened.translate(rows, options_of(guarded=True))
    assert [h.tokens for (h,) in plain] == [h.tokens for (h,) in wanted]
