"""Tests of exported models: the graphs give what the model gives, at all sizes."""

from pathlib import Path

import pytest
import torch

from vq_nat.files import BadFile, new_folder
from vq_nat.translation.decoding.ancestral import ancestral
from vq_nat.translation.decoding.build import refuse_unserved
from vq_nat.translation.decoding.generator import IterativeLatentGenerator
from vq_nat.translation.decoding.limits import GREEDY, CodeBounds, SearchOptions
from vq_nat.translation.decoding.options import DecodingOptions
from vq_nat.translation.decoding.search import search
from vq_nat.translation.onnx.export import export
from vq_nat.translation.onnx.runtime import ExportedModel

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def pair(make_model, dictionary, prepared, tmp_path):
    """Exports a model with options; returns both."""

    def make(int8: bool = False, **options):
        torch.manual_seed(5)
        model = make_model(compression_steps=2, **options)
        out = tmp_path / "exported"
        export(model, {"en": dictionary, "de": dictionary}, prepared, out, int8)
        return model, ExportedModel(out)

    return make


def test_a_refusal_advises_nothing_that_an_exported_model_refuses(pair) -> None:
    """It has no compressor, which takes new codes from words."""
    for model, advice in zip(pair(), (True, False)):
        with pytest.raises(ValueError, match="`passes` must be 0, but is 1") as said:
            refuse_unserved(DecodingOptions(passes=1), [model])
        assert ("--refinement latent" in str(said.value)) is advice


VARIANTS = [
    {},
    {"vq_slices": 2},
    {"vq_kind": "semhash"},
    {"vq_kind": "fsq", "vq_levels": "4,4"},
    {"vq_code_dim": 8},
    {"predictor_layers": 1, "decoder_layers": 3},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("lengths", [[4], [9, 3, 6]], ids=str)
def test_exported_model_gives_the_same_codes_and_words(
    pair, make_batch, options, lengths
):
    model, exported = pair(**options)
    tokens = make_batch(lengths, side="left")
    bounds = CodeBounds(torch.ones(len(lengths)).long(), torch.tensor(lengths))
    pairs = []
    for one in (model, exported):
        source = one.encode(tokens)
        codes = search(one.predictor, source, bounds)
        pairs.append((codes, one.decode(one.lookup(codes), source)))
    (codes, words), (other_codes, other_words) = pairs
    torch.testing.assert_close(other_codes, codes, atol=1e-4, rtol=1e-4)
    assert torch.equal(other_words.mask, words.mask)
    real = words.mask
    torch.testing.assert_close(
        other_words.logits[real], words.logits[real], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("kind", "passes"),
    [
        (SearchOptions(), 0),
        (SearchOptions(), 2),
        (SearchOptions("beam", 3), 0),
        (SearchOptions("sample", 3), 0),
        (SearchOptions("lengths", 3), 0),
    ],
    ids=str,
)
def test_generator_drives_both_alike(pair, dictionary, make_batch, kind, passes):
    model, exported = pair(shown_sentences=0.1)
    generator = IterativeLatentGenerator(
        dictionary, max_iter=passes, search=kind, max_len_b=20
    )
    sample = {"net_input": {"src_tokens": make_batch([8, 5, 3])}}
    for own, other in zip(
        generator.generate([model], sample),
        generator.generate([exported], sample),
        strict=True,
    ):
        assert [h.tokens.tolist() for h in own] == [h.tokens.tolist() for h in other]
        assert own[0].score == pytest.approx(other[0].score, abs=1e-3)


@pytest.mark.parametrize("ends", [True, False])
def test_greedy_on_arrays_is_the_search(pair, make_batch, ends):
    _, exported = pair(vq_slices=2)
    source = exported.encode(make_batch([7, 4, 2]))
    bounds = CodeBounds(torch.tensor([2, 1, 3]), torch.tensor([4, 1, 9]), ends)
    greedy = search(exported.predictor, source, bounds)
    by_search = ancestral(exported.predictor, source, bounds, GREEDY)
    assert torch.equal(greedy.codes, by_search.codes)
    assert torch.equal(greedy.mask, by_search.mask)
    torch.testing.assert_close(greedy.score, by_search.score)


def test_int8_stays_close(pair, make_batch):
    model, exported = pair(int8=True)
    tokens = make_batch([6, 4])
    source = model.encode(tokens)
    codes = search(
        model.predictor, source, CodeBounds(torch.ones(2).long(), torch.tensor([3, 3]))
    )
    own = model.decode(model.lookup(codes), source).logits.log_softmax(-1)
    quantised = exported.decode(exported.lookup(codes), exported.encode(tokens))
    other = quantised.logits.log_softmax(-1)
    mask = quantised.mask
    assert 0 < (own - other)[mask].abs().max() < 0.5


@pytest.mark.parametrize("size", [1, 7, 64])
def test_int8_does_not_depend_on_the_batch(pair, make_batch, size):
    _, exported = pair(int8=True)
    lengths = [3 + number * 5 % 11 for number in range(64)]
    tokens = make_batch(lengths)

    def words(order: list[int], count: int) -> list[list[int]]:
        words_of: dict[int, list[int]] = {}
        for start in range(0, len(order), count):
            rows = order[start : start + count]
            longest = max(lengths[row] for row in rows)
            source = exported.encode(tokens[rows, :longest])
            most = torch.full((len(rows),), 4)
            bounds = CodeBounds(torch.ones_like(most), most)
            codes = search(exported.predictor, source, bounds)
            decoded = exported.decode(exported.lookup(codes), source)
            for row, logits, mask in zip(rows, *decoded, strict=True):
                words_of[row] = logits[mask].argmax(-1).tolist()
        return [words_of[row] for row in range(len(order))]

    alone = words(list(range(64)), 1)
    assert words(list(range(64)), size) == alone
    assert words(list(range(64))[::-1], size) == alone


def test_exported_model_refuses_what_it_has_no_graph_for(pair, make_batch):
    _, exported = pair()
    with pytest.raises(ValueError, match="an exported model has no compressor"):
        exported.true_codes(make_batch([3]), exported.encode(make_batch([3])))


def test_export_refuses_an_existing_folder_and_a_model_without_codes(
    make_model, make_teacher, dictionary, prepared, tmp_path
):
    dictionaries = {"en": dictionary, "de": dictionary}
    with pytest.raises(ValueError, match="must not exist yet, but does"):
        export(make_model(), dictionaries, prepared, tmp_path)
    for model in (make_teacher(dictionary, True), make_model(vq_kind="identity")):
        with pytest.raises(ValueError, match="only models with latent codes"):
            export(model, dictionaries, prepared, tmp_path / "out")
    assert list(Path(tmp_path).iterdir()) == []


def test_the_sentence_about_what_is_missing_is_kept(tmp_path: Path) -> None:
    """A write that fails is told with its file; an error of ours says it all."""
    for error, told in (
        (FileNotFoundError("nosuch does not exist."), "nosuch does not exist."),
        (OSError(28, "No space left"), f"[Errno 28] No space left: '{tmp_path}/new'"),
    ):
        with pytest.raises(OSError) as caught, new_folder(tmp_path / "new"):
            raise error
        assert str(caught.value) == told


def test_each_attention_is_one_operator(pair, tmp_path):
    pair(predictor_layers=2, decoder_layers=3)
    graph = onnx.load(tmp_path / "exported" / "step.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("MultiHeadAttention") == 2 * 2  # to the past, to the source
    assert "Softmax" not in kinds


def test_graphs_of_another_format_are_refused(pair, tmp_path):
    pair()
    path = tmp_path / "exported" / "export.json"
    path.write_text(path.read_text().replace('"format": 4', '"format": 1'))
    with pytest.raises(ValueError, match="must have graphs of format 4, but has forma"):
        ExportedModel(tmp_path / "exported")


def test_an_export_writes_nothing_to_standard_error(pair, capfd):
    pair()
    assert capfd.readouterr().err == ""


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="export.json does not exist"):
        ExportedModel(tmp_path)


def test_a_graph_that_fails_while_it_runs_is_named(pair):
    _, exported = pair()
    with pytest.raises(
        BadFile, match=r"encode\.onnx must be a graph that .* wrote, bu"
    ):
        exported.sessions.run("encode", tokens=torch.zeros(1, 2))  # no whole numbers
