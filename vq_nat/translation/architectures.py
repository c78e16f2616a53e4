"""The named sizes, as fairseq's `--arch`."""

from argparse import Namespace
from typing import Any

from fairseq.models import register_model_architecture

from .config import PRESETS, VQEMTransformerConfig
from .model import VQEMTransformer  # noqa: F401  a model comes before its sizes


def _register(name: str, preset: dict[str, Any]) -> None:
    def architecture(args: Namespace) -> None:
        defaults = VQEMTransformerConfig()
        for field in VQEMTransformerConfig.__dataclass_fields__:
            value = preset.get(field, getattr(defaults, field))
            if not field.startswith("_") and not str(value).startswith("${"):
                setattr(args, field, getattr(args, field, value))

    register_model_architecture("vq_em_transformer", f"vq_em_transformer_{name}")(
        architecture
    )


for _name, _preset in PRESETS.items():
    _register(_name, _preset)
