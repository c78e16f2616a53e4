"""The named sizes: what they set beside the model's own options."""

from argparse import Namespace

import pytest
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.models import ARCH_CONFIG_REGISTRY

from vq_nat.fairseq_side.compat import Refused
from vq_nat.translation import VQEMTransformerConfig


def start_of(size: str, *flags: str, criterion: str = "latent_prediction") -> int:
    """Returns `latent_loss_start` as `fairseq-train` hands it to the criterion."""
    arguments = ["DATA", "--task", "discrete_latent_translation", *flags]
    arguments += ["--arch", f"vq_em_transformer_{size}", "--criterion", criterion]
    parser = options.get_training_parser()
    parsed = options.parse_args_and_arch(parser, arguments)
    return convert_namespace_to_omegaconf(parsed).criterion.latent_loss_start


@pytest.mark.parametrize("size", ["base", "big"])
def test_the_papers_sizes_have_its_schedule(size: str) -> None:
    assert start_of(size) == 50_000 == VQEMTransformerConfig().latent_share_updates


@pytest.mark.parametrize("size", ["tiny", "small", "base", "big"])
def test_a_code_stands_for_eight_words_as_in_the_papers_best_rows(size: str) -> None:
    arguments = Namespace()
    ARCH_CONFIG_REGISTRY[f"vq_em_transformer_{size}"](arguments)
    config = VQEMTransformerConfig.from_namespace(arguments)
    assert config.chunk == 2**config.compression_steps == 8


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_sizes_for_short_trainings_predict_codes_at_once(size: str) -> None:
    assert start_of(size) == 0


def test_a_flag_has_the_last_word() -> None:
    assert start_of("base", "--latent-loss-start", "0") == 0
    assert start_of("tiny", "--latent-loss-start", "7") == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"vq_kind": "words", "compressor_dropout": 0.3},
            "`compressor_dropout` must be None with `vq_kind` 'words', but is 0.3",
        ),
        (
            {"vq_kind": "words", "compressor_shuffle": 3},
            "`compressor_shuffle` must be 0 with `vq_kind` 'words', but is 3 instead",
        ),
        (
            {"vq_kind": "none", "alignment": "ctc", "predictor_dropout": 0.1},
            "`predictor_dropout` must be None with `vq_kind` 'none', but is 0.1",
        ),
        ({"vq_prior_start": 9}, "`vq_prior_start` must be 0 with `vq_prior_weight` an"),
        ({"alignment_doublings": 2}, "`alignment_doublings` must be 1 with `alignmen"),
    ],
)
def test_what_a_training_would_ignore_is_refused_where_it_starts(
    make_model, options, message
) -> None:
    model = make_model(**options)  # an older checkpoint may have it
    with pytest.raises(Refused, match=message):
        model.refuse_training()


def test_a_training_that_goes_on_by_risk_does_not_wait() -> None:
    assert not start_of("base", criterion="minimum_risk")
