"""Tests of search.py: the same as fairseq's search, and the same in every batch."""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerModel, base_architecture
from fairseq.sequence_generator import SequenceGenerator

from data_prep.lib.teacher_search import Search, Symbols, Translation, pad_left

WORDS, WIDTH = 30, 16


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    words = Dictionary()
    for number in range(WORDS):
        words.add_symbol(f"w{number}")
    return words


@pytest.fixture
def model(dictionary: Dictionary) -> Any:
    """A Transformer whose random weights are large enough to have opinions."""
    sizes = {"encoder_embed_dim": WIDTH, "encoder_ffn_embed_dim": 2 * WIDTH}
    sizes |= {"encoder_layers": 2, "decoder_layers": 2}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    args = Namespace(arch="transformer", share_all_embeddings=True, **sizes)
    args.max_source_positions = args.max_target_positions = 64
    base_architecture(args)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    model = TransformerModel.build_model(args, task).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2)
    return model


@pytest.fixture
def sources(dictionary: Dictionary) -> list[torch.Tensor]:
    lengths = (1, 9, 3, 3, 6, 12, 2, 5)
    rows = [torch.randint(4, len(dictionary), (length,)) for length in lengths]
    return [torch.cat([row, torch.tensor([dictionary.eos()])]) for row in rows]


@pytest.fixture
def symbols(dictionary: Dictionary) -> Symbols:
    return Symbols(dictionary.pad(), dictionary.eos(), dictionary.unk())


def texts(translations: list[list[Translation]]) -> list[list[list[int]]]:
    return [[one.tokens for one in of_one] for of_one in translations]


Same = Callable[[Any, int], None]


@pytest.fixture
def finds_the_same(
    dictionary: Dictionary, sources: list[torch.Tensor], symbols: Symbols
) -> Same:
    """Checks that a model's hypotheses and scores are those of fairseq's search."""

    def check(model: Any, width: int) -> None:
        reference = SequenceGenerator(
            [model], dictionary, width, max_len_a=2, max_len_b=20, unk_penalty=1000
        )
        for row in sources:
            [expected] = reference({"net_input": net_input(row)})
            [translations] = Search(model, symbols, width)([row])
            scores = [float(one["score"]) for one in expected]
            assert [one.score for one in translations] == pytest.approx(
                scores, abs=1e-4
            )
            assert [one.tokens for one in translations] == [
                one["tokens"][:-1].tolist() for one in expected
            ]

    return check


@pytest.mark.parametrize("width", [1, 2, 4, 5])
def test_it_finds_what_fairseq_finds(
    model: Any, finds_the_same: Same, width: int
) -> None:
    finds_the_same(model, width)


@pytest.fixture
def hasty(model: Any, symbols: Symbols) -> Any:
    """The model when an end of sentence is among the best words of every step."""

    def add(module: Any, inputs: Any, logits: torch.Tensor) -> torch.Tensor:
        best = logits.topk(3).values[..., -1]
        return logits.index_copy(
            -1, torch.tensor([symbols.eos]), best.unsqueeze(-1) + 0.01
        )

    model.decoder.output_projection.register_forward_hook(add)
    return model


@pytest.mark.parametrize("width", [1, 2, 4, 5])
def test_no_translation_is_empty_as_in_fairseq(
    hasty: Any,
    finds_the_same: Same,
    sources: list[torch.Tensor],
    symbols: Symbols,
    width: int,
) -> None:
    finds_the_same(hasty, width)
    for hypotheses, temperature in ((width, None), (50, 1.0)):
        translations = Search(hasty, symbols, hypotheses, temperature)(sources)
        assert all(one.tokens for of_one in translations for one in of_one)


def net_input(row: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"src_tokens": row[None], "src_lengths": torch.tensor([len(row)])}


def test_a_batch_finds_what_single_sentences_find(
    model: Any, sources: list[torch.Tensor], symbols: Symbols
) -> None:
    search = Search(model, symbols, 4)
    together = search(sources)
    assert texts(together) == [texts(search([row]))[0] for row in sources]
    assert texts(search(sources[::-1])) == texts(together)[::-1]


def test_a_loop_is_cut_off(model: Any, symbols: Symbols) -> None:
    """A model that never ends a sentence; the limit depends on the source alone."""
    with torch.no_grad():
        model.decoder.output_projection.weight[symbols.eos] = 0
        model.decoder.output_projection.weight[4:].add_(1)
    rows = [torch.tensor([5, 6, symbols.eos]), torch.tensor([7, symbols.eos])]
    for width in (1, 3):
        translations = Search(model, symbols, width)(rows)
        for row, of_one in zip(rows, translations):
            longest = max(len(one.tokens) for one in of_one)
            assert longest <= 2 * len(row) + 20
            assert len(of_one) == width


def test_drawing_follows_the_seed_and_cold_drawing_is_greedy(
    model: Any, sources: list[torch.Tensor], symbols: Symbols
) -> None:
    warm = Search(model, symbols, 3, temperature=1.0)
    assert texts(warm(sources, 1)) == texts(warm(sources, 1))
    assert texts(warm(sources, 1)) != texts(warm(sources, 2))
    greedy = [of_one[0] for of_one in texts(Search(model, symbols, 1)(sources))]
    for cold in (
        Search(model, symbols, 3, temperature=1e-6),
        Search(model, symbols, 3, temperature=1.0, top=1),
    ):
        assert texts(cold(sources)) == [[text] * 3 for text in greedy]


def test_drawn_words_have_the_models_frequencies(model: Any, symbols: Symbols) -> None:
    """The score of a drawn sentence is the model's log-probability of it."""
    row = torch.tensor([5, 9, symbols.eos])
    number = 2_000
    [drawn] = Search(model, symbols, number, temperature=1.0)([row], 3)
    lengths = {tuple(one.tokens): one.score for one in drawn}
    assert len(drawn) == number
    common = max(set(lengths), key=[tuple(f.tokens) for f in drawn].count)
    share = sum(tuple(one.tokens) == common for one in drawn) / number
    probability = torch.tensor(lengths[common] * (len(common) + 1)).exp()
    assert share == pytest.approx(float(probability), abs=0.05)


def test_padding_stands_on_the_left() -> None:
    rows = [torch.tensor([5, 2]), torch.tensor([7, 8, 2])]
    assert pad_left(rows, 1).tolist() == [[1, 5, 2], [7, 8, 2]]
