"""The members of the family, with options of each, for what must hold for all."""

from collections.abc import Callable
from typing import Any

import pytest

from vq_nat.bottleneck import Bottleneck

Make = Callable[..., Bottleneck]

# Those that draw no random numbers when training, so that two runs can be compared.
EXACT: list[dict[str, Any]] = [
    {"assign": "hard"},
    {"assign": "soft", "num_samples": 0},
    {"assign": "soft", "num_samples": 0, "temperature_scale": "relative"},
    {"assign": "hard", "slices": 4, "restart_after": 1},
    {"update": "gradient", "num_samples": 0, "slices": 2},
    {"init": "data", "warmup_updates": 2, "num_samples": 0},
    {"num_samples": 0, "code_dim": 3},
    {"assign": "hard", "metric": "cosine", "slices": 2, "restart_after": 1},
    {"update": "gradient", "assign": "hard", "metric": "cosine", "code_dim": 3},
    {"slices": 3, "slicing": "residual", "num_samples": 0, "code_dim": 3},
    {"slices": 2, "slicing": "residual", "assign": "hard", "init": "data"},
    {"update": "linear", "num_samples": 0, "slices": 2},
    {"assign": "hard", "gradient": "rotation"},
    {"kind": "lfq"},
    {"kind": "lfq", "slices": 2, "metric": "cosine"},
]
MEMBERS: list[dict[str, Any]] = [
    *EXACT,
    {"assign": "hard", "gradient": "diveq", "update": "gradient", "init": "data"},
    {"kind": "semhash"},
    {"kind": "semhash", "slices": 2},
    {"kind": "gumbel"},
    {"kind": "gumbel", "slices": 2},
    {"kind": "fsq", "levels": "4,2"},
    {"kind": "fsq", "levels": "2,2,2", "slices": 2, "squash": "sigmoid"},
    {"kind": "identity", "slices": 2},
]
every_member = pytest.mark.parametrize("options", MEMBERS, ids=str)
every_exact_member = pytest.mark.parametrize("options", EXACT, ids=str)
