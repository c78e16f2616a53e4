"""The whole model: loss under padding, targets, gradients, a start from the teacher."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
from fairseq.data import Dictionary

from vq_nat.fairseq_side.compat import Refused
from vq_nat.translation import LatentPredictionCriterion, VQEMTransformer
from vq_nat.translation.flow import align_left, pad_to_chunks

PAD, EOS = 1, 2


def loss_of(model, source, target, **options):
    task = SimpleNamespace(target_dictionary=None)
    settings = {"latent_loss_weight": 1.0, "latent_loss_start": 0, "word_smoothing": 0}
    criterion = LatentPredictionCriterion(task, **{**settings, **options})
    sample = {
        "net_input": {"src_tokens": source},
        "target": target,
        "ntokens": int(target.ne(PAD).sum()),
    }
    return criterion(model, sample)


@pytest.mark.parametrize("assign", ["hard", "soft"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_loss_equals_trimmed(make_model, make_batch, repad, assign, side):
    model = make_model(vq_assign=assign)
    source, target = make_batch([9, 4, 6]), make_batch([17, 3, 8])
    loss, size, _ = loss_of(model, source, target)
    padded, padded_size, _ = loss_of(
        model, repad(source, side, 5), repad(target, side, 9)
    )
    assert padded_size == size
    torch.testing.assert_close(padded, loss)


def keep_surplus(model) -> None:
    """Takes from a model what cuts off a batch's chunks of padding alone."""
    model.to_chunks = lambda target: pad_to_chunks(
        align_left(target, PAD), chunk=model.chunk, pad=PAD
    )


@pytest.mark.parametrize("assign", ["hard", "soft"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_whole_chunks_of_padding_change_no_loss(
    make_model, make_batch, repad, assign, side
):
    # If it is soft, the exact expectation: draws would be others for another shape.
    model = make_model(vq_assign=assign, vq_num_samples=0 if assign == "soft" else 1)
    source, target = make_batch([9, 4, 6]), make_batch([17, 3, 8])
    loss, size, _ = loss_of(model, source, target)
    keep_surplus(model)
    longer = repad(target, side, 25)
    assert model.to_chunks(longer).size(1) >= target.size(1) + 24
    padded, padded_size, _ = loss_of(model, source, longer)
    assert padded_size == size
    torch.testing.assert_close(padded, loss)


def test_padding_touches_no_gradient_and_no_statistic(make_model, make_batch, repad):
    source, target = make_batch([9, 4, 6]), make_batch([17, 3, 8])
    results = []
    for extra in (0, 9):
        torch.manual_seed(3)
        model = make_model(vq_assign="hard").train()
        loss_of(model, repad(source, "left", extra), repad(target, "right", extra))[
            0
        ].backward()
        model.bottleneck.m_step()
        gradients = {
            n: p.grad for n, p in model.named_parameters() if p.grad is not None
        }
        results.append((gradients, model.bottleneck.codebook.clone()))
    (trimmed, codebook), (padded, padded_codebook) = results
    assert trimmed.keys() == padded.keys()
    for name, gradient in trimmed.items():
        torch.testing.assert_close(padded[name], gradient, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(padded_codebook, codebook)


def test_a_target_of_padding_alone_counts_for_nothing(make_model, make_batch) -> None:
    model, words = make_model().eval(), make_batch([9, 4, 6])
    outs = [
        model(rows, torch.ones(len(rows)), None, target=rows)
        for rows in (words, torch.cat([words, torch.full_like(words[:1], model.pad)]))
    ]
    assert outs[1].code_count == outs[0].code_count
    assert outs[1].code_targets.sum() == outs[0].code_targets.sum()
    torch.testing.assert_close(outs[1].word_logits, outs[0].word_logits)


def test_loss_of_a_batch_is_the_sum_of_its_sentences(model, make_batch) -> None:
    source, target = make_batch([9, 4, 6]), make_batch([17, 3, 8])
    out = model(source, target=target)
    alone = [model(source[i : i + 1], target=target[i : i + 1]) for i in range(3)]

    def words(o):
        return torch.nn.functional.cross_entropy(
            o.word_logits, o.word_targets, reduction="sum"
        )

    torch.testing.assert_close(words(out), sum(words(o) for o in alone))
    assert out.latent_count == sum(o.latent_count for o in alone)


def test_shown_words_are_never_their_own_target(make_model, make_batch) -> None:
    model = make_model(shown_sentences=1.0).train()
    source, target = make_batch([9, 9]), make_batch([16, 16])
    out = model(source, target=target)
    assert 0 < len(out.word_targets) < out.word_positions
    # Hiding everything brings all of them back.
    assert len(model.eval()(source, target=target).word_targets) == out.word_positions


def test_code_targets_end_after_the_last_latent(model, make_batch) -> None:
    out = model(make_batch([9, 4]), target=make_batch([17, 3]))
    sums = out.code_targets.sum(dim=(2, 3))  # (B, L + 1)
    assert sums.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert out.code_targets[0, 3, 0, -1] == 1
    assert out.code_targets[1, 1, 0, -1] == 1
    assert (out.latent_count, out.code_count) == (4, 6)  # the two ends count as codes


def test_latent_targets_carry_no_gradient_to_the_compressor(make_model, make_batch):
    model = make_model().train()
    out = model(make_batch([9, 4]), target=make_batch([17, 3]))
    assert not out.code_targets.requires_grad


def test_training_without_target_is_refused(model, make_batch) -> None:
    with pytest.raises(ValueError, match="`target` must be given to train"):
        model(make_batch([5]))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("compressor_word_dropout", 1.0),
        ("compressor_shuffle", -1),
        ("compression_steps", -1),
        ("compressor_blocks", -1),
        ("encoder_layers", 0),
        ("predictor_layers", -1),
        ("latent_share_updates", -5),
        ("shown_sentences", 1.5),
    ],
)
def test_impossible_options_are_refused(make_model, option, value) -> None:
    with pytest.raises(ValueError, match=f"`{option}` must .*, but is {value} instead"):
        make_model(**{option: value})


def test_dictionaries_must_be_joint(dictionary) -> None:
    task = SimpleNamespace(
        source_dictionary=dictionary,
        target_dictionary=Dictionary(),
        cfg=SimpleNamespace(data="DATA", source_lang="en", target_lang="de"),
    )
    cfg = Namespace(max_source_positions=64, max_target_positions=64)
    message = r"dict\.en\.txt and dict\.de\.txt must be the same, but differ in DATA"
    with pytest.raises(ValueError, match=message):
        VQEMTransformer.build_model(cfg, task)


@pytest.mark.parametrize("option", [{"encoder_layers": 0}, {"vq_num_codes": 1}])
def test_wrong_options_end_a_command_in_a_sentence(dictionary, option) -> None:
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    cfg = Namespace(max_source_positions=64, max_target_positions=64, **option)
    with pytest.raises(Refused, match=f"`{next(iter(option))}` must be at least"):
        VQEMTransformer.build_model(cfg, task)


def save(model, path) -> str:
    torch.save({"model": model.state_dict(), "cfg": {}}, path)
    return str(path)


def test_a_start_from_the_teacher_encodes_as_the_teacher(
    make_model, make_batch, make_teacher, dictionary, tmp_path
) -> None:
    """Same weights, same names, same positions: the same states, to the digit."""
    autoregressive = make_teacher(dictionary, pre_norm=True)
    model = make_model()
    model.init_from_teacher(save(autoregressive, tmp_path / "teacher.pt"))
    source = make_batch([9, 4, 6])
    expected = autoregressive.encoder(source, source.ne(PAD).sum(dim=1))
    states = expected["encoder_out"][0].transpose(0, 1)
    ours = model.encode(source)
    torch.testing.assert_close(
        ours.states[ours.mask], states[ours.mask], rtol=1e-4, atol=1e-5
    )


def test_a_post_norm_teacher_is_refused(
    make_model, make_teacher, dictionary, tmp_path
) -> None:
    path = save(make_teacher(dictionary, pre_norm=False), tmp_path / "teacher.pt")
    with pytest.raises(ValueError, match="must be pre-norm"):
        make_model().init_from_teacher(path)


def test_a_teacher_of_another_width_is_refused(
    make_model, make_teacher, dictionary, tmp_path
) -> None:
    path = save(
        make_teacher(dictionary, pre_norm=True, width=64), tmp_path / "teacher.pt"
    )
    with pytest.raises(ValueError, match="must have shape"):
        make_model().init_from_teacher(path)


def test_a_model_in_bfloat16_keeps_norms_losses_and_codebook_float32(
    make_model, make_batch
) -> None:
    """As fairseq's --bf16 turns it: parameters halved, the bottleneck not."""
    model = make_model().train().bfloat16()
    loss, size, _ = loss_of(model, make_batch([9, 4, 6]), make_batch([17, 3, 8]))
    (loss / size).backward()
    model.bottleneck.m_step()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert model.bottleneck.codebook.dtype == torch.float32


@pytest.mark.parametrize("kind", ["vq", "semhash", "gumbel", "identity"])
@pytest.mark.parametrize("slices", [1, 2])
def test_every_bottleneck_trains(make_model, make_batch, kind, slices) -> None:
    model = make_model(vq_kind=kind, vq_slices=slices).train()
    loss, _, log = loss_of(model, make_batch([9, 4, 6]), make_batch([17, 3, 8]))
    loss.backward()
    model.bottleneck.m_step()
    assert loss.isfinite()
    assert model.compressor.layer_norm.weight.grad.abs().sum() > 0
    assert log["latents"] == 3 + 1 + 1


def test_codes_are_predicted_from_the_average_of_the_draws(
    make_model, make_batch
) -> None:
    """The targets are the M one-hots' mean, not the most probable code."""
    model = make_model(vq_assign="soft", vq_num_samples=10, vq_temperature=100.0)
    out = model.train()(make_batch([9, 4]), target=make_batch([17, 3]))
    targets = out.code_targets[:, :-1, :, :-1]
    torch.testing.assert_close(targets, out.bottleneck.weights)
    assert ((targets > 0) & (targets < 1)).any()
    tenths = targets * 10
    torch.testing.assert_close(tenths, tenths.round())


@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_padding_is_no_vector_of_the_bottleneck(make_model, make_batch, assign) -> None:
    """Sentences of 3, 1 and 1 latents: 5 vectors are assigned and gathered, not 9."""
    model = make_model(vq_assign=assign).train()
    out = model(make_batch([9, 4, 6]), target=make_batch([17, 3, 8]))
    real = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 0, 0]]).bool()
    weighed = out.bottleneck.weights.sum(dim=(2, 3))
    torch.testing.assert_close(weighed, real.float())
    assert not out.bottleneck.quantized[~real].any()


def test_only_real_latents_enter_the_statistics(make_model, make_batch, repad) -> None:
    """A sentence and its neighbours of other lengths gather what each gives alone."""
    source, target = make_batch([9, 4, 6]), make_batch([17, 3, 8])
    codebooks = []
    for parts in ([slice(0, 3)], [slice(0, 1), slice(1, 2), slice(2, 3)]):
        torch.manual_seed(3)
        model = make_model(vq_assign="hard", vq_decay=0.5).train()
        for rows in parts:
            model(source[rows], target=target[rows])
        model.bottleneck.m_step()
        codebooks.append(model.bottleneck.codebook.clone())
    torch.testing.assert_close(*codebooks)
