"""Owns the options of the discrete bottleneck: names, defaults, help and validity.

The fields are plain (`str`, `int`, `float`) and their annotations are real objects,
because fairseq makes command-line flags of them. Each default stands here only.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from .members import MEMBERS
from .validity import of_its_type, one_of, read_options, require

ASSIGNMENTS = ("hard", "soft")
UPDATES = ("ema", "gradient", "linear")
SLICINGS = ("product", "residual")
GRADIENTS = ("straight", "rotation", "diveq")
SQUASHES = ("tanh", "sigmoid")
INITS = ("random", "data")
TEMPERATURE_SCALES = ("absolute", "relative")
METRICS = ("euclidean", "cosine")
SCHEDULES = ("constant", "linear", "exponential")


@dataclass
class BottleneckConfig:
    """Options of a bottleneck; those marked "vq:" are ignored by the other kinds."""

    vq_kind: str = field(
        default="vq",
        metadata={
            "help": "kind of bottleneck: vq, semhash, gumbel, fsq, lfq, identity, or "
            "one that another package registers"
        },
    )
    vq_options: str = field(
        default="",
        metadata={
            "help": "options of a kind that another package registers, as name=value "
            "between commas"
        },
    )
    vq_num_codes: int = field(
        default=4096,
        metadata={
            "help": "codes per slice, K (semhash and lfq: a power of two; fsq: the "
            "product of the levels)"
        },
    )
    vq_slices: int = field(
        default=1,
        metadata={"help": "slices of product quantization, G; must divide the width"},
    )
    vq_slicing: str = field(
        default="product",
        metadata={
            "help": "vq: product cuts the width into slices (grouped VQ); in residual "
            "each slice quantizes what the ones before have left, and their codes add "
            "up"
        },
    )
    vq_levels: str = field(
        default="8,8,8,8",
        metadata={
            "help": "fsq: levels of each number of a code, between commas; the paper "
            "advises at least 5, for instance 8,6,5 for 240 codes or 8,5,5,5 for 1000"
        },
    )
    vq_squash: str = field(
        default="tanh",
        metadata={
            "help": "fsq: what bounds the numbers; tanh, or sigmoid: 2 sigmoid(1.6 x) "
            "- 1, which spreads Gaussian numbers evenly (iFSQ)"
        },
    )
    vq_hidden: int = field(
        default=0,
        metadata={
            "help": "semhash: width of the two hidden layers between bits and decoder; "
            "0 = four times the width of a slice"
        },
    )
    vq_bit_noise: float = field(
        default=1.0,
        metadata={
            "help": "semhash: standard deviation of the noise that a bit is drawn by; "
            "the paper has 1, the authors' later code 0.5"
        },
    )
    vq_code_dim: int = field(
        default=0,
        metadata={
            "help": "vq: dimensions of a code, between learned projections in and out "
            "of its slice; 0 takes those of the slice, without projections"
        },
    )
    vq_metric: str = field(
        default="euclidean",
        metadata={
            "help": "vq and lfq: euclidean, or cosine: vectors and codes are of length "
            "1 (lfq: BSQ)"
        },
    )
    vq_assign: str = field(
        default="soft",
        metadata={
            "help": "vq: E-step; hard takes the nearest code, soft averages codes "
            "drawn from softmax(-squared distance / temperature)"
        },
    )
    vq_gradient: str = field(
        default="straight",
        metadata={
            "help": "vq with hard assignment: how gradients pass it; straight through, "
            "rotation (that of the vector onto its code), or diveq (the error as noise)"
        },
    )
    vq_gradient_noise: float = field(
        default=1e-3,
        metadata={"help": "vq: variance of the noise of diveq"},
    )
    vq_num_samples: int = field(
        default=10,
        metadata={
            "help": "vq: codes drawn per vector in the soft E-step, M; "
            "0 takes the exact expectation"
        },
    )
    vq_temperature: float = field(
        default=1.0,
        metadata={"help": "vq, gumbel and lfq: temperature of the posterior"},
    )
    vq_temperature_scale: str = field(
        default="absolute",
        metadata={
            "help": "vq: absolute, or relative: the temperature is multiplied by the "
            "running mean of the squared distance to the second nearest code"
        },
    )
    vq_schedule: str = field(
        default="constant",
        metadata={
            "help": "how temperature and number of samples go to their ends: "
            + ", ".join(SCHEDULES)
        },
    )
    vq_schedule_updates: int = field(
        default=0,
        metadata={"help": "updates of the schedule, which follow those of the warm-up"},
    )
    vq_temperature_end: float = field(
        default=0.0,
        metadata={"help": "vq, gumbel and lfq: temperature at the end; 0 keeps it"},
    )
    vq_num_samples_end: int = field(
        default=0,
        metadata={"help": "vq: samples per vector at the end, at least 1; 0 keeps M"},
    )
    vq_update: str = field(
        default="ema",
        metadata={
            "help": "vq: M-step; ema moves codes by moving averages, gradient by "
            "a codebook loss and the optimizer, linear all together by a linear layer "
            "over fixed ones (SimVQ)"
        },
    )
    vq_decay: float = field(
        default=0.999,
        metadata={
            "help": "decay of the moving averages; the window of 1 / (1 - decay) "
            "updates should be short beside the training (all kinds: a code unused for "
            "a window is dead)"
        },
    )
    vq_epsilon: float = field(
        default=1e-5,
        metadata={"help": "vq: Laplace smoothing of the code counts"},
    )
    vq_commitment: float = field(
        default=0.25,
        metadata={"help": "vq and lfq: weight of the commitment loss"},
    )
    vq_entropy_weight: float = field(
        default=0.1,
        metadata={
            "help": "lfq: weight of the entropy of a vector's posterior, less that of "
            "all vectors' together"
        },
    )
    vq_diversity: float = field(
        default=1.0,
        metadata={"help": "lfq: weight of the latter within it"},
    )
    vq_kl_weight: float = field(
        default=0.0,
        metadata={
            "help": "gumbel: weight of the posterior's divergence from the uniform "
            "prior; that of the paper is vectors per word (or per intensity)"
        },
    )
    vq_init: str = field(
        default="random",
        metadata={
            "help": "vq: first codebook; random, or data: k-means on encoder outputs "
            "(until there are as many of them as codes, they pass unquantized)"
        },
    )
    vq_restart_after: int = field(
        default=0,
        metadata={
            "help": "vq: updates without use after which a code restarts from "
            "a sampled encoder output; 0 never restarts"
        },
    )
    vq_warmup_updates: int = field(
        default=0,
        metadata={
            "help": "vq: first updates during which encoder outputs pass unquantized; "
            "semhash: those over which the share of vectors shown as bits grows to 1/2"
        },
    )

    vq_code_noise: float = field(
        default=0.0,
        metadata={
            "help": "vq: share of the codes that the decoder sees in training that are "
            "replaced by one of the nearest to the same vector"
        },
    )
    vq_noise_codes: int = field(
        default=10,
        metadata={"help": "vq: from how many codes with --vq-code-noise one is drawn"},
    )

    @property
    def adds_slices(self) -> bool:
        """Whether slices have the whole width, and their codes add up."""
        return self.vq_slicing == "residual"

    def validate(self, width: int) -> None:
        """Refuses options that cannot work.

        Args:
            width: width C of the vectors that will be quantized.

        Raises:
            ValueError: if an option is of another type or out of its range; the
                sentence names it.
        """
        for option in fields(BottleneckConfig):
            of_its_type(option.name, getattr(self, option.name), option.default)
        member = MEMBERS.get(self.vq_kind)
        self._validate_choices(member.can_add_slices)
        self._validate_sizes(width)
        self._validate_moving()
        self._validate_numbers()
        self._validate_schedule()
        read_options(self.vq_options, member.own_options)
        member.check_options(self)

    def _validate_choices(self, can_add_slices: bool) -> None:
        one_of("vq_assign", self.vq_assign, ASSIGNMENTS)
        one_of("vq_update", self.vq_update, UPDATES)
        one_of("vq_slicing", self.vq_slicing, SLICINGS)
        require(
            can_add_slices or not self.adds_slices,
            f"`vq_slicing` must be 'product' with `vq_kind` {self.vq_kind!r}",
            repr(self.vq_slicing),
        )
        one_of("vq_gradient", self.vq_gradient, GRADIENTS)
        one_of("vq_squash", self.vq_squash, SQUASHES)
        one_of("vq_init", self.vq_init, INITS)
        one_of("vq_metric", self.vq_metric, METRICS)
        one_of("vq_temperature_scale", self.vq_temperature_scale, TEMPERATURE_SCALES)
        one_of("vq_schedule", self.vq_schedule, SCHEDULES)

    def _validate_sizes(self, width: int) -> None:
        require(width >= 1, "`width` must be at least 1", width)
        require(
            self.vq_num_codes >= 2,
            "`vq_num_codes` must be at least 2",
            self.vq_num_codes,
        )
        divides = self.adds_slices or width % max(1, self.vq_slices) == 0
        require(
            self.vq_slices >= 1 and divides,
            f"`vq_slices` must divide `width` ({width})",
            self.vq_slices,
        )

    def _validate_moving(self) -> None:
        require(
            0 < self.vq_temperature < math.inf,
            "`vq_temperature` must be positive and finite",
            self.vq_temperature,
        )
        require(
            0 <= self.vq_decay < 1,
            "`vq_decay` must be at least 0 and below 1",
            self.vq_decay,
        )
        require(
            0 < self.vq_epsilon < math.inf,
            "`vq_epsilon` must be positive and finite",
            self.vq_epsilon,
        )

    def _validate_numbers(self) -> None:
        for name in (
            "vq_bit_noise",
            "vq_commitment",
            "vq_diversity",
            "vq_entropy_weight",
            "vq_gradient_noise",
            "vq_kl_weight",
        ):
            value = getattr(self, name)
            sentence = f"`{name}` must be at least 0 and finite"
            require(0 <= value < math.inf, sentence, value)
        require(
            0 <= self.vq_code_noise <= 1,
            "`vq_code_noise` must be from 0 to 1",
            self.vq_code_noise,
        )
        require(
            self.vq_noise_codes >= 1,
            "`vq_noise_codes` must be at least 1",
            self.vq_noise_codes,
        )
        for name in (
            "vq_code_dim",
            "vq_hidden",
            "vq_num_samples",
            "vq_num_samples_end",
            "vq_restart_after",
            "vq_schedule_updates",
            "vq_warmup_updates",
        ):
            value = getattr(self, name)
            require(value >= 0, f"`{name}` must be at least 0", value)

    def _validate_schedule(self) -> None:
        require(
            0 <= self.vq_temperature_end < math.inf,
            "`vq_temperature_end` must be at least 0 and finite",
            self.vq_temperature_end,
        )
        moves = self.vq_schedule != "constant"
        for name in ("vq_temperature_end", "vq_num_samples_end"):
            require(
                moves or getattr(self, name) == 0,
                f"`vq_schedule` must be 'linear' or 'exponential' with `{name}`",
                repr(self.vq_schedule),
            )
        require(
            not moves or self.vq_schedule_updates >= 1,
            "`vq_schedule_updates` must be at least 1 with "
            f"`vq_schedule` {self.vq_schedule!r}",
            self.vq_schedule_updates,
        )
        # The exact expectation is the limit of many samples: no number to start from.
        require(
            self.vq_num_samples_end == 0 or self.vq_num_samples >= 1,
            "`vq_num_samples` must be at least 1 with `vq_num_samples_end`",
            self.vq_num_samples,
        )


def plain_config(config: Any) -> BottleneckConfig:
    """Copies the bottleneck's options out of any object that has them as attributes."""
    names = [option.name for option in fields(BottleneckConfig)]
    return BottleneckConfig(**{name: getattr(config, name) for name in names})
