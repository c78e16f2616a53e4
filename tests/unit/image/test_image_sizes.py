"""The named sizes of image models: what they set, and what has the last word."""

from argparse import Namespace
from typing import Any

import pytest
from fairseq.models import ARCH_CONFIG_REGISTRY

from vq_nat.image.config import PRESETS, VQVAEConfig
from vq_nat.image.prior_config import PRESETS as PRIORS
from vq_nat.image.prior_config import CodePriorConfig

SIZES = [
    *((f"vqvae_{name}", preset, VQVAEConfig) for name, preset in PRESETS.items()),
    *(
        (f"code_prior_{name}", preset, CodePriorConfig)
        for name, preset in PRIORS.items()
    ),
]


@pytest.mark.parametrize(("name", "preset", "config"), SIZES, ids=lambda x: str(x)[:20])
def test_a_size_sets_its_options_and_a_flag_has_the_last_word(
    name: str, preset: dict[str, Any], config: type
) -> None:
    """Those it has; no size names an option that there is not."""
    assert preset.keys() <= vars(config()).keys()
    arguments = Namespace()
    ARCH_CONFIG_REGISTRY[name](arguments)
    assert vars(arguments).items() >= preset.items()
    given = Namespace(**dict.fromkeys(preset, 7))
    ARCH_CONFIG_REGISTRY[name](given)
    assert all(getattr(given, option) == 7 for option in preset)
