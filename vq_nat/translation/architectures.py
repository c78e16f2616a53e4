"""The named sizes, as fairseq's `--arch`.

A size also sets the default of one option of the criterion: after how many updates the
predictor begins to learn. The paper's sizes wait for 50,000, as its authors do; those
for short trainings begin at once.
"""

from argparse import Namespace
from typing import Any

from fairseq.models import register_model_architecture

from .config import LATENT_LOSS_START, PRESETS, VQEMTransformerConfig
from .model import VQEMTransformer


def _register(name: str, preset: dict[str, Any], start: int) -> None:
    def architecture(args: Namespace) -> None:
        trains = getattr(args, "criterion", None) == VQEMTransformer.criterion_name
        if trains and args.latent_loss_start is None:  # not where training goes on
            args.latent_loss_start = start
        defaults = VQEMTransformerConfig()
        for field in VQEMTransformerConfig.__dataclass_fields__:
            value = preset.get(field, getattr(defaults, field))
            if not field.startswith("_") and not str(value).startswith("${"):
                setattr(args, field, getattr(args, field, value))

    register_model_architecture("vq_em_transformer", f"vq_em_transformer_{name}")(
        architecture
    )


for _name, _preset in PRESETS.items():
    _register(_name, _preset, LATENT_LOSS_START[_name])
