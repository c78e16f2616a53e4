"""The loss by hand: what each part weighs, and what it is a mean of."""

import math
from types import SimpleNamespace

import pytest
import torch
from fairseq.logging import metrics

from vq_nat.bottleneck import BottleneckOutput
from vq_nat.translation import LatentPredictionCriterion
from vq_nat.translation.criterion import code_losses
from vq_nat.translation.flow import TrainingOutput

LATENTS, SENTENCES, WORDS, HIDDEN = 3, 2, 12, 8
SLICES, CODES, VOCABULARY = 2, 4, 7
BOTTLENECK_LOSS = 0.25


def output(updates: int = 100, hidden: int = HIDDEN) -> TrainingOutput:
    """One forward pass of sentences of 2 and 1 latents, made by hand."""
    drawn = torch.Generator().manual_seed(1)
    shape = (SENTENCES, 3, SLICES, CODES + 1)
    targets = torch.zeros(shape)
    for row, length in enumerate((2, 1)):
        weights = torch.rand(length, SLICES, CODES, generator=drawn)
        targets[row, :length, :, :-1] = weights / weights.sum(-1, keepdim=True)
        targets[row, length, 0, -1] = 1.0
    codes = targets[:, :-1, :, :-1].argmax(-1)
    bottleneck = BottleneckOutput(
        codes, codes, targets, torch.tensor(BOTTLENECK_LOSS), {"perplexity": 2.0}
    )
    return TrainingOutput(
        word_logits=torch.randn(hidden, VOCABULARY, generator=drawn),
        word_targets=torch.randint(VOCABULARY, (hidden,), generator=drawn),
        word_positions=WORDS,
        code_logits=torch.randn(shape, generator=drawn),
        code_targets=targets,
        code_count=LATENTS + SENTENCES,  # the ends are predicted as well
        bottleneck=bottleneck,
        latent_count=LATENTS,
        updates=updates,
    )


class Given(torch.nn.Module):
    """Gives a forward pass that is known."""

    def __init__(self, out: TrainingOutput) -> None:
        super().__init__()
        self.out = out

    def forward(self, target: object) -> TrainingOutput:
        return self.out


def loss_of(out: TrainingOutput, training: bool = True, **options: float):
    """Returns the criterion's loss, its size and its log for a forward pass."""
    settings = {"latent_loss_weight": 1.0, "latent_loss_start": 0, "word_smoothing": 0}
    task = SimpleNamespace(target_dictionary=None)
    criterion = LatentPredictionCriterion(task, **{**settings, **options})
    sample = {"net_input": {}, "target": [None] * SENTENCES, "ntokens": WORDS}
    return criterion(Given(out).train(training), sample)


def code_nll(out: TrainingOutput) -> torch.Tensor:
    """The criterion's loss of all codes and ends, without smoothing."""
    return code_losses(out).loss


def codes_by_hand(out: TrainingOutput) -> float:
    """Soft cross-entropy of every code and every end, one after the other."""
    total = 0.0
    for row, length in enumerate((2, 1)):
        for step in range(length + 1):
            for part in range(SLICES):
                known = CODES + 1 if part == 0 else CODES  # who knows the end
                logp = out.code_logits[row, step, part, :known].log_softmax(-1)
                target = out.code_targets[row, step, part, :known]
                total -= float((target * logp).sum())
    return total


def words_by_hand(out: TrainingOutput) -> float:
    """Negative log-likelihood of the hidden words."""
    logp = out.word_logits.log_softmax(-1)
    return -float(logp.gather(1, out.word_targets.unsqueeze(1)).sum())


def test_the_loss_is_the_sum_of_its_parts_per_word() -> None:
    """A mean over words, one over vectors and one over codes, each times W words."""
    out = output(hidden=WORDS)
    loss, size, _ = loss_of(out)
    codes = codes_by_hand(out) / (LATENTS + SENTENCES)  # the ends count as codes
    expected = words_by_hand(out) / WORDS + BOTTLENECK_LOSS + codes
    assert size == WORDS
    assert float(loss) / WORDS == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_the_latent_loss_has_its_weight(weight: float) -> None:
    out = output()
    plain, weighted = loss_of(out)[0], loss_of(out, latent_loss_weight=weight)[0]
    codes = codes_by_hand(out) * WORDS / (LATENTS + SENTENCES)
    assert float(weighted - plain) == pytest.approx((weight - 1) * codes, rel=1e-4)


@pytest.mark.parametrize(("updates", "counts"), [(199, False), (200, True)])
def test_the_latent_loss_starts_when_it_is_told(updates: int, counts: bool) -> None:
    out = output(updates)
    late = float(loss_of(out, latent_loss_start=200)[0])
    chosen = float(loss_of(out, latent_loss_weight=float(counts))[0])
    assert late == pytest.approx(chosen)


def test_in_evaluation_the_latent_loss_counts_from_the_beginning() -> None:
    out = output(updates=0)
    loss = loss_of(out, training=False, latent_loss_start=200)[0]
    assert float(loss) == pytest.approx(float(loss_of(out)[0]))


@pytest.mark.parametrize(
    ("option", "value", "bound"),
    [
        ("latent_loss_weight", -1.0, "finite"),
        ("latent_loss_weight", math.nan, "finite"),
        ("word_smoothing", 1.0, "below 1"),
        ("code_smoothing", -0.1, "below 1"),
    ],
)
def test_weights_that_make_no_sense_are_refused(
    option: str, value: float, bound: str
) -> None:
    with pytest.raises(ValueError, match=f"`{option}` must be at least 0 and {bound}"):
        loss_of(output(), **{option: value})


def test_before_its_start_the_latent_loss_is_logged_all_the_same() -> None:
    out = output(updates=0)
    log = loss_of(out, latent_loss_start=200)[2]
    assert float(log["code_nll"]) == pytest.approx(codes_by_hand(out), rel=1e-5)


@pytest.mark.parametrize("hidden", [1, 5, WORDS])
def test_shown_words_do_not_make_the_loss_smaller(hidden: int) -> None:
    """The mean over the hidden words stands for all words of the batch."""
    out = output(hidden=hidden)
    reconstruction = float(loss_of(out)[2]["word_nll"])
    assert reconstruction == pytest.approx(words_by_hand(out) * WORDS / hidden)


def test_a_batch_without_hidden_words_has_a_finite_loss() -> None:
    loss, _, log = loss_of(output(hidden=0))
    assert loss.isfinite()
    assert float(log["word_nll"]) == 0.0


def test_slices_above_the_first_do_not_know_the_end_of_codes() -> None:
    """Whatever stands there takes nothing from the probability of the codes."""
    out = output()
    expected = code_nll(out)
    raised = out.code_logits.clone()
    raised[:, :, 1:, -1] = 50.0
    torch.testing.assert_close(code_nll(out._replace(code_logits=raised)), expected)
    raised[:, :, 0, -1] = 50.0
    assert not torch.isclose(code_nll(out._replace(code_logits=raised)), expected)


def test_codes_are_learned_from_the_average_of_the_draws() -> None:
    """Not from the most probable code: the loss is linear in the targets."""
    out = output()
    hard = torch.nn.functional.one_hot(out.code_targets.argmax(-1), CODES + 1).float()
    hard = hard * (out.code_targets.sum(-1, keepdim=True) > 0)
    only = code_nll(out._replace(code_targets=hard))
    mixed = code_nll(out._replace(code_targets=0.5 * (hard + out.code_targets)))
    torch.testing.assert_close(mixed, 0.5 * (only + code_nll(out)))
    assert not torch.isclose(only, code_nll(out))


def test_smoothing_of_words_is_of_the_words_alone() -> None:
    out = output()
    plain, smoothed = loss_of(out), loss_of(out, word_smoothing=0.2)
    nll = float(plain[2]["word_nll"])
    uniform = -out.word_logits.log_softmax(-1).mean(-1).sum() * WORDS / HIDDEN
    gained = 0.2 * (float(uniform) - nll)
    assert float(smoothed[0] - plain[0]) == pytest.approx(gained, rel=1e-4)
    assert torch.equal(smoothed[2]["code_nll"], plain[2]["code_nll"])
    assert float(smoothed[2]["word_nll"]) == pytest.approx(nll)  # told unsmoothed


def test_smoothing_of_codes_is_even_over_what_a_slice_knows() -> None:
    """K + 1 symbols in slice 0, K in the others; nothing at padding."""
    out = output()
    plain, smoothed = code_losses(out), code_losses(out, 0.2)
    even = 0.0
    for row, length in enumerate((2, 1)):
        for step in range(length + 1):
            for part in range(SLICES if step < length else 1):
                known = CODES + 1 if part == 0 else CODES
                logits = out.code_logits[row, step, part, :known]
                even -= float(logits.log_softmax(-1).mean())
    expected = 0.8 * float(plain.loss) + 0.2 * even
    assert float(smoothed.loss) == pytest.approx(expected, rel=1e-5)
    assert float(smoothed.nll) == pytest.approx(float(plain.loss), rel=1e-6)


@pytest.mark.parametrize("hidden", [1, 2, WORDS])
def test_words_that_are_all_right_are_all_of_them(hidden: int) -> None:
    out = output(hidden=hidden)
    right = out._replace(word_targets=out.word_logits.argmax(-1))
    with metrics.aggregate() as kept:
        LatentPredictionCriterion.reduce_metrics([loss_of(right)[2]])
        assert kept.get_smoothed_values()["word_accuracy"] == 1


def test_logs_of_two_batches_are_means_over_both() -> None:
    """Per word, per code and per latent, in bits, whatever the sizes of the batches."""
    logs = [loss_of(output(hidden=hidden))[2] for hidden in (4, WORDS)]
    with metrics.aggregate() as kept:
        LatentPredictionCriterion.reduce_metrics(logs)
        figures = kept.get_smoothed_values()
    codes = 2 * (LATENTS + SENTENCES)
    bits = sum(float(log["code_nll"]) for log in logs) / codes / math.log(2)
    words = sum(float(log["word_nll"]) for log in logs) / (2 * WORDS) / math.log(2)
    hits = sum(int(log["word_hits"]) for log in logs) / (4 + WORDS)
    assert figures["code_nll"] == pytest.approx(bits, abs=1e-3)
    assert figures["word_nll"] == pytest.approx(words, abs=1e-3)
    assert figures["vq_loss"] == pytest.approx(BOTTLENECK_LOSS, abs=1e-3)
    assert figures["word_accuracy"] == pytest.approx(hits, abs=1e-4)
