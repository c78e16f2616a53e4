"""Options: defaults, and a sentence for every one that cannot work."""

from argparse import Namespace
from dataclasses import asdict, dataclass, fields
from typing import Any

import pytest

from vq_nat.bottleneck import BottleneckConfig, build_bottleneck


def test_defaults_are_valid_and_follow_the_paper() -> None:
    config = BottleneckConfig()
    config.validate(width=512)
    assert (config.vq_num_codes, config.vq_num_samples) == (4096, 10)
    assert (config.vq_decay, config.vq_epsilon) == (0.999, 1e-5)
    assert (config.vq_commitment, config.vq_temperature) == (0.25, 1.0)
    assert (config.vq_warmup_updates, config.vq_restart_after) == (0, 0)


def test_every_field_can_become_a_flag() -> None:
    for option in fields(BottleneckConfig):
        assert option.name.startswith("vq_")
        assert option.type in (str, int, float)
        assert "%" not in option.metadata["help"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"vq_num_samples": 2.5}, "`vq_num_samples` must be a whole number, but is 2.5"),
    ({"vq_num_samples": True}, "`vq_num_samples` must be a whole number, but is True"),
    ({"vq_decay": "0.9"}, "`vq_decay` must be a number, but is '0.9'"),
    ({"vq_kind": 3}, "`vq_kind` must be a text, but is 3"),
    (
        {"vq_kind": "em"},
        "`vq_kind` must be one of 'fsq', 'gumbel', 'identity', 'lfq', 'semhash', "
        "'vq', but is 'em'",
    ),
    ({"vq_assign": "em"}, "`vq_assign` must be one of 'hard', 'soft', but is 'em'"),
    (
        {"vq_update": "ml"},
        "`vq_update` must be one of 'ema', 'gradient', 'linear', but is 'ml'",
    ),
    (
        {"vq_slicing": "x"},
        "`vq_slicing` must be one of 'product', 'residual', but is 'x'",
    ),
    ({"vq_squash": "x"}, "`vq_squash` must be one of 'tanh', 'sigmoid', but is 'x'"),
    (
        {"vq_gradient": "x"},
        "`vq_gradient` must be one of 'straight', 'rotation', 'diveq', but is 'x'",
    ),
    (
        {"vq_gradient": "rotation"},
        "`vq_assign` must be 'hard' with `vq_gradient` 'rotation', but is 'soft'",
    ),
    (
        {"vq_kind": "lfq", "vq_num_codes": 1000},
        "`vq_num_codes` must be a power of two with `vq_kind` 'lfq', but is 1000",
    ),
    *(
        ({name: -0.1}, f"`{name}` must be at least 0 and finite, but is -0.1")
        for name in (
            "vq_diversity",
            "vq_entropy_weight",
            "vq_gradient_noise",
            "vq_kl_weight",
        )
    ),
    (
        {"vq_bit_noise": -0.5},
        "`vq_bit_noise` must be at least 0 and finite, but is -0.5",
    ),
    ({"vq_hidden": -1}, "`vq_hidden` must be at least 0, but is -1"),
    ({"vq_init": "0"}, "`vq_init` must be one of 'random', 'data', but is '0'"),
    (
        {"vq_temperature_scale": "x"},
        "`vq_temperature_scale` must be one of 'absolute', 'relative', but is 'x'",
    ),
    (
        {"vq_metric": "dot"},
        "`vq_metric` must be one of 'euclidean', 'cosine', but is 'dot'",
    ),
    (
        {"vq_kind": "fsq", "vq_levels": "8,5,5,5"},
        "`vq_num_codes` must be the product of `vq_levels` (1000), but is 4096",
    ),
    (
        {"vq_kind": "fsq", "vq_levels": "8,x"},
        "`vq_levels` must be whole numbers of at least 2 between commas, but is '8,x'",
    ),
    (
        {"vq_kind": "fsq", "vq_levels": ""},
        "`vq_levels` must be whole numbers of at least 2 between commas, but is ''",
    ),
    (
        {"vq_kind": "fsq", "vq_levels": "4096,1"},
        "`vq_levels` must be whole numbers of at least 2 between commas, "
        "but is '4096,1'",
    ),
    ({"vq_code_dim": -1}, "`vq_code_dim` must be at least 0, but is -1"),
    ({"vq_slices": 3}, "`vq_slices` must divide `width` (512), but is 3"),
    ({"vq_slices": 0}, "`vq_slices` must divide `width` (512), but is 0"),
    ({"vq_slices": -2}, "`vq_slices` must divide `width` (512), but is -2"),
    ({"vq_num_codes": 1}, "`vq_num_codes` must be at least 2, but is 1"),
    (
        {"vq_kind": "semhash", "vq_num_codes": 1000},
        "`vq_num_codes` must be a power of two with `vq_kind` 'semhash', but is 1000",
    ),
    (
        {"vq_temperature": 0.0},
        "`vq_temperature` must be positive and finite, but is 0.0",
    ),
    (
        {"vq_temperature": float("nan")},
        "`vq_temperature` must be positive and finite, but is nan",
    ),
    ({"vq_decay": 1.0}, "`vq_decay` must be at least 0 and below 1, but is 1.0"),
    ({"vq_decay": -0.1}, "`vq_decay` must be at least 0 and below 1, but is -0.1"),
    ({"vq_epsilon": 0.0}, "`vq_epsilon` must be positive and finite, but is 0.0"),
    (
        {"vq_commitment": -1.0},
        "`vq_commitment` must be at least 0 and finite, but is -1.0",
    ),
    ({"vq_num_samples": -1}, "`vq_num_samples` must be at least 0, but is -1"),
    ({"vq_restart_after": -1}, "`vq_restart_after` must be at least 0, but is -1"),
    ({"vq_warmup_updates": -5}, "`vq_warmup_updates` must be at least 0, but is -5"),
    (
        {"vq_schedule": "cosine"},
        "`vq_schedule` must be one of 'constant', 'linear', 'exponential', "
        "but is 'cosine'",
    ),
    (
        {"vq_schedule": "linear", "vq_temperature_end": 0.1},
        "`vq_schedule_updates` must be at least 1 with `vq_schedule` 'linear', "
        "but is 0",
    ),
    (
        {"vq_schedule_updates": -1},
        "`vq_schedule_updates` must be at least 0, but is -1",
    ),
    (
        {"vq_temperature_end": 0.1},
        "`vq_schedule` must be 'linear' or 'exponential' with `vq_temperature_end`, "
        "but is 'constant'",
    ),
    (
        {"vq_num_samples_end": 1},
        "`vq_schedule` must be 'linear' or 'exponential' with `vq_num_samples_end`, "
        "but is 'constant'",
    ),
    (
        {"vq_temperature_end": -0.1},
        "`vq_temperature_end` must be at least 0 and finite, but is -0.1",
    ),
    ({"vq_num_samples_end": -1}, "`vq_num_samples_end` must be at least 0, but is -1"),
    (
        {
            "vq_schedule": "linear",
            "vq_schedule_updates": 10,
            "vq_num_samples": 0,
            "vq_num_samples_end": 1,
        },
        "`vq_num_samples` must be at least 1 with `vq_num_samples_end`, but is 0",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSED)
def test_what_cannot_work_is_refused_by_name(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError) as error:
        build_bottleneck(BottleneckConfig(**options), width=512)
    assert str(error.value) == f"{sentence} instead."


def test_width_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="`width` must be at least 1, but is 0"):
        build_bottleneck(BottleneckConfig(), width=0)


def test_options_may_come_from_any_object_with_these_attributes() -> None:
    options = asdict(BottleneckConfig(vq_num_codes=16))

    @dataclass
    class ModelConfig(BottleneckConfig):
        layers: int = 3

    for config in (Namespace(**options, layers=3), ModelConfig(**options)):
        assert build_bottleneck(config, width=8).codebook.shape == (1, 16, 8)
