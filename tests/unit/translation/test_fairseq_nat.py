"""fairseq's own parallel models: no output depends on the batch, teachers can rescore,
and what a model cannot serve is refused."""

from argparse import Namespace
from types import MethodType, SimpleNamespace

import pytest
import torch
from fairseq.iterative_refinement_generator import DecoderOut
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

from vq_nat.translation import flow
from vq_nat.translation.decoding.rescoring import TeacherScore
from vq_nat.translation.fairseq_nat import (
    DecodedInPieces,
    MendedLevenshteinConfig,
    MendedLevenshteinTask,
    init_from_teacher,
    refuse_unserved,
)

PAD, BOS, EOS = 1, 0, 2
PASSES = {
    "nonautoregressive_transformer": 0,
    "cmlm_transformer": 3,
    "levenshtein_transformer": 4,
}


def length_of_source(decoder, length_out, encoder_out, tgt_tokens=None):
    """Stands in for a trained length predictor: three words more than the source."""
    return (~encoder_out["encoder_padding_mask"][0]).sum(dim=1) + 3


def arguments(arch: str, **options) -> Namespace:
    """A small model's flags."""
    args = Namespace(
        arch=arch,
        **dict.fromkeys(("encoder_embed_dim", "decoder_embed_dim"), 32),
        **dict.fromkeys(("encoder_ffn_embed_dim", "decoder_ffn_embed_dim"), 64),
        **dict.fromkeys(("encoder_layers", "decoder_layers"), 2),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
        **dict.fromkeys(("max_source_positions", "max_target_positions"), 64),
        dropout=0.0,
        share_all_embeddings=True,
        early_exit="2,2,2",
        **options,
    )
    ARCH_CONFIG_REGISTRY[arch](args)
    return args


@pytest.fixture
def build(dictionary):
    """build(arch): a model with random weights that writes words of some number."""

    def make(arch: str, **options):
        args = arguments(arch, **options)
        task = SimpleNamespace(
            source_dictionary=dictionary, target_dictionary=dictionary
        )
        model = ARCH_MODEL_REGISTRY[arch].build_model(args, task).eval()
        if arch == "levenshtein_transformer":
            with torch.no_grad():
                model.decoder.embed_mask_ins.weight.zero_()
                model.decoder.embed_mask_ins.weight[:2].normal_(std=2)
        else:
            model.decoder.forward_length_prediction = MethodType(
                length_of_source, model.decoder
            )
        return model

    return make


@pytest.fixture
def task(dictionary) -> MendedLevenshteinTask:
    """The task without data."""
    return MendedLevenshteinTask(SimpleNamespace(), dictionary, dictionary)


@pytest.fixture
def source(make_batch):
    """Sentences that begin with their sign, as the task makes them."""
    words = make_batch([9, 4, 6, 12, 3, 8, 2])
    return torch.cat([torch.full((7, 1), BOS), words], dim=1)


def generate(task, models, source, **options):
    options = {"iter_decode_max_iter": 0, **options}
    generator = task.build_generator(models, Namespace(**options))
    sample = {"net_input": {"src_tokens": source}}
    return [candidates[0] for candidates in generator.generate(models, sample)]


@pytest.mark.parametrize("arch", PASSES)
@pytest.mark.parametrize("beam", [1, 3])
def test_outputs_do_not_depend_on_the_batch(
    task, build, source, repad, make_teacher, dictionary, arch, beam
) -> None:
    copies = {"src_embedding_copy": True} if arch.startswith("non") else {}
    models, options = [build(arch, **copies)], {}
    if beam > 1:
        if not models[0].allow_length_beam:
            return
        models.append(make_teacher(dictionary, pre_norm=True))
        options["iter_decode_with_external_reranker"] = True
    options |= {"iter_decode_max_iter": PASSES[arch], "iter_decode_with_beam": beam}
    together = generate(task, models, source, **options)
    assert len({len(best["tokens"]) for best in together}) > 1
    for side in ("left", "right"):
        for size in (1, 3):
            alone = []
            for rows in repad(source, side, extra=2).split(size):
                alone += generate(task, models, rows, **options)
            for one, other in zip(together, alone, strict=True):
                assert one["tokens"].equal(other["tokens"])


def test_a_masked_model_leaves_no_masks(task, build, make_batch, dictionary) -> None:
    """Short sentences keep their number of masks for a pass, and look finished."""
    model = build("cmlm_transformer")
    with torch.no_grad():  # it never predicts the sign that stands for a mask
        model.decoder.output_projection.weight[dictionary.unk()] = 0
        model.decoder.output_projection.weight[dictionary.unk(), 0] = -1e4
        model.decoder.layers[-1].final_layer_norm.bias[0] = 10.0
    words = make_batch([2, 3, 4, 5, 6, 7])
    source = torch.cat([torch.full((6, 1), BOS), words], dim=1)
    for best in generate(task, [model], source, iter_decode_max_iter=7):
        assert not best["tokens"].eq(dictionary.unk()).any()
        assert best["steps"] == 7


def test_the_teachers_score_decides(
    task, build, source, make_teacher, dictionary
) -> None:
    teacher = make_teacher(dictionary, pre_norm=True)
    model = build("nonautoregressive_transformer")
    options = {"iter_decode_with_beam": 3}
    own = generate(task, [model], source, **options)
    options["iter_decode_with_external_reranker"] = True
    chosen = generate(task, [model, teacher], source, **options)
    assert any(
        not one["tokens"].equal(other["tokens"])
        for one, other in zip(own, chosen, strict=True)
    )
    rescorer = TeacherScore(teacher, dictionary)  # knows no begin of a sentence
    for row, best in enumerate(chosen):
        words, alone = best["tokens"][1:], source[row : row + 1, 1:]
        by_hand = rescorer.scores(alone, [words], [0]).mean()  # with its end
        assert float(best["score"]) == pytest.approx(float(by_hand), rel=1e-4)
        rival = rescorer.scores(alone, [own[row]["tokens"][1:]], [0]).mean()
        assert float(best["score"]) >= float(rival) - 1e-4


@pytest.mark.parametrize(
    ("arch", "options", "sentence"),
    [
        (
            "nonautoregressive_transformer",
            {"iter_decode_max_iter": 9},
            "`iter_decode_max_iter` must be 0, but is 9 instead: NATransformerModel",
        ),
        (
            "levenshtein_transformer",
            {"iter_decode_with_beam": 5},
            "`iter_decode_with_beam` must be 1, but is 5 instead: Levenshtein",
        ),
        (
            "cmlm_transformer",
            {"iter_decode_with_external_reranker": True},
            "`iter_decode_with_beam` must be above 1 with",
        ),
        (
            "cmlm_transformer",
            {"iter_decode_with_external_reranker": True, "iter_decode_with_beam": 3},
            "must come with the path of an autoregressive teacher",
        ),
    ],
)
def test_what_a_model_cannot_serve_is_refused(build, arch, options, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        refuse_unserved([build(arch)], Namespace(**options))


def test_defaults_serve_iterative_models(build) -> None:
    refuse_unserved([build("cmlm_transformer")], Namespace())
    refuse_unserved([build("levenshtein_transformer")], Namespace())


@pytest.mark.parametrize("arch", ["nonautoregressive_transformer", "cmlm_transformer"])
def test_rows_decoded_in_pieces_are_those_decoded_at_once(
    task, build, source, make_teacher, dictionary, monkeypatch, arch
) -> None:
    models = [build(arch), make_teacher(dictionary, pre_norm=True)]
    options = {"iter_decode_max_iter": PASSES[arch], "iter_decode_with_beam": 5}
    options |= {
        "iter_decode_with_external_reranker": True,
        "retain_iter_history": True,
    }
    together = generate(task, models, source, **options)
    sizes, decode = [], models[0].decoder.forward

    def watched(*args, prev_output_tokens, **kwargs):
        sizes.append(prev_output_tokens.size(0))
        return decode(*args, prev_output_tokens=prev_output_tokens, **kwargs)

    monkeypatch.setattr(models[0].decoder, "forward", watched)
    monkeypatch.setattr(flow, "LOGITS_AT_ONCE_CPU", 40 * len(dictionary))
    parts = generate(task, models, source, **options)
    assert max(sizes) < len(source) * 5
    for one, other in zip(together, parts, strict=True):
        assert one["tokens"].equal(other["tokens"])
        assert float(one["score"]) == pytest.approx(float(other["score"]), rel=1e-4)
        histories = zip(one["history"], other["history"], strict=True)
        assert all(a["tokens"].equal(b["tokens"]) for a, b in histories)


def lengths_of(model, beam: int, lengths: list[int]) -> torch.Tensor:
    """Returns the lengths of all candidates, ends counted. Shape: (B, beam)."""
    tokens = torch.full((len(lengths), max(lengths)), PAD)
    for row, length in zip(tokens, lengths, strict=True):
        row[:length] = model.unk
    blanks = DecoderOut(tokens, torch.zeros(tokens.shape), None, 0, 0, None)
    blank_beam = model.regenerate_length_beam(blanks, beam)
    count = blank_beam.output_tokens.ne(PAD).sum(dim=1)
    assert blank_beam.output_tokens[:, 0].eq(BOS).all()
    ends = blank_beam.output_tokens.gather(1, count.unsqueeze(1) - 1)
    assert ends.eq(EOS).all() and not blank_beam.output_scores.any()
    return count.view(len(lengths), beam)


def test_a_hundred_candidates_are_no_fragments(build) -> None:
    model = build("nonautoregressive_transformer")
    mended = DecodedInPieces(model)
    lengths = [4, 14, 30]
    assert lengths_of(model, 100, lengths).min() == 2  # not a word
    counts = lengths_of(mended, 100, lengths)
    assert counts.min(dim=1).values.tolist() == [3, 11, 23]
    assert counts.max(dim=1).values.tolist() == [6, 17, 37]
    # All lengths in between are there, and few candidates are what they were.
    assert [len(row.unique()) for row in counts] == [4, 7, 15]
    assert lengths_of(mended, 5, lengths)[1:].equal(lengths_of(model, 5, lengths)[1:])


@pytest.mark.parametrize("arch", PASSES)
def test_a_start_from_the_teacher_encodes_as_the_teacher(
    arch, make_teacher, dictionary, source, tmp_path
) -> None:
    teacher = make_teacher(dictionary, pre_norm=True)
    path = tmp_path / "teacher.pt"
    torch.save({"model": teacher.state_dict(), "cfg": {}}, path)
    cfg = MendedLevenshteinConfig(init_from_teacher=str(path))
    sizes = {f"{part}_normalize_before": True for part in ("encoder", "decoder")}
    args = arguments(arch, **sizes)
    model = MendedLevenshteinTask(cfg, dictionary, dictionary).build_model(args).eval()
    lengths = source.ne(dictionary.pad()).sum(dim=1)
    expected = teacher.encoder(source, lengths)["encoder_out"][0]
    states = model.encoder(source, lengths)["encoder_out"][0]
    torch.testing.assert_close(states, expected, rtol=1e-4, atol=1e-5)
    name = "layers.1.encoder_attn.v_proj.weight"
    assert model.decoder.state_dict()[name].equal(teacher.decoder.state_dict()[name])


@pytest.mark.parametrize("pre_norm", [True, False])
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_teacher_with_norms_elsewhere_is_refused(
    part, pre_norm, build, make_teacher, dictionary, tmp_path
) -> None:
    path = tmp_path / "teacher.pt"
    teacher = make_teacher(dictionary, pre_norm=pre_norm)
    torch.save({"model": teacher.state_dict(), "cfg": {}}, path)
    parts = dict.fromkeys(("encoder", "decoder"), pre_norm) | {part: not pre_norm}
    norms = {f"{name}_normalize_before": pre for name, pre in parts.items()}
    wanted = "post" if pre_norm else "pre"
    with pytest.raises(ValueError, match=f"the {part} of .* must be {wanted}-norm"):
        init_from_teacher(build("cmlm_transformer", **norms), str(path))


def test_a_post_norm_model_starts_from_a_post_norm_teacher(
    build, make_teacher, dictionary, tmp_path
) -> None:
    path = tmp_path / "teacher.pt"
    teacher = make_teacher(dictionary, pre_norm=False)
    torch.save({"model": teacher.state_dict(), "cfg": {}}, path)
    model = build("cmlm_transformer")
    assert init_from_teacher(model, str(path)) > 60
    name = "encoder.layers.1.fc2.weight"
    assert model.state_dict()[name].equal(teacher.state_dict()[name])


def test_a_start_from_a_teacher_of_another_width_is_refused(
    build, make_teacher, dictionary, tmp_path
) -> None:
    path = tmp_path / "teacher.pt"
    teacher = make_teacher(dictionary, pre_norm=True, width=64)
    torch.save({"model": teacher.state_dict(), "cfg": {}}, path)
    with pytest.raises(ValueError, match="of the teacher must have shape"):
        init_from_teacher(build("cmlm_transformer"), str(path))


def test_a_wording_is_scored_once(
    task, build, source, make_teacher, dictionary
) -> None:
    """The shortest candidates all have two words, begin and end."""
    models = [
        build("nonautoregressive_transformer"),
        make_teacher(dictionary, pre_norm=True),
    ]
    options = {"iter_decode_with_beam": 40, "iter_decode_with_external_reranker": True}
    generator = task.build_generator(
        models, Namespace(iter_decode_max_iter=0, **options)
    )
    seen, scores = [], generator.rescorer.scores

    def watched(src_tokens, rows, owners):
        seen.extend(
            (owner, *row.tolist()) for owner, row in zip(owners, rows, strict=True)
        )
        return scores(src_tokens, rows, owners)

    generator.rescorer.scores = watched
    generator.generate(models, {"net_input": {"src_tokens": source}})
    assert len(seen) == len(set(seen)) < len(source) * 40
