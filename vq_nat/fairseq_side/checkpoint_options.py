"""Owns what the options in a checkpoint may be, before anything is built from them.

Reading a file with `weights_only` calls nothing, but what it holds decides which of
fairseq's 60 models is built, and fairseq evaluates, opens or downloads what some of its
options name. So only models that this package serves are built; each option must be of
the type and range of its field; what fairseq does not know is left out, and so is what
a file has no say in.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from fairseq.dataclass.configs import FairseqConfig
from fairseq.models import (
    ARCH_CONFIG_REGISTRY,
    ARCH_MODEL_NAME_REGISTRY,
    MODEL_DATACLASS_REGISTRY,
    MODEL_REGISTRY,
)
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_DATACLASS_REGISTRY

from ..files import short
from ..languages import is_language
from .option_rules import (
    TEXT,
    Rule,
    literal,
    one_of,
    rules_of_dataclass,
    rules_of_defaults,
    rules_of_groups,
    rules_of_parser,
)

MODELS = (
    "vq_em_transformer",
    "vqvae",
    "code_prior",
    "transformer",
    "transformer_align",
    "nonautoregressive_transformer",
    "nacrf_transformer",
    "cmlm_transformer",
    "iterative_nonautoregressive_transformer",
    "levenshtein_transformer",
)
TASKS = (
    "discrete_latent_translation",
    "translation_lev_mended",
    "image_vqvae",
    "image_codes",
    "translation",
    "translation_lev",
)
CRITERIA = (
    "latent_prediction",
    "minimum_risk",
    "bits_per_dim",
    "code_nll",
    "cross_entropy",
    "label_smoothed_cross_entropy",
    "label_smoothed_cross_entropy_with_alignment",
    "nat_loss",
)
SERVED = {"model": MODELS, "task": TASKS, "criterion": CRITERIA}
# fairseq's others load what they need from the net; this package names its own.
REST = {
    "bpe": ("subword_nmt", "sentencepiece", "fastbpe", "characters", "bytes"),
    "tokenizer": ("moses", "nltk", "space"),
    "optimizer": (),  # these three: any that fairseq has
    "lr_scheduler": (),
    "scoring": (),
}
# Of the machine and the files of who trained: code, further weights, other programs.
NO_SAY = (
    "user_dir",
    "encoder_embed_path",
    "decoder_embed_path",
    "init_from_teacher",
    "finetune_from_model",
    "ema_seed_model",
    "lm_path",
    "quantization_config_path",
    "xformers_att_config",
    "post_save_script",
    "plasma_path",
)
LANGUAGE = Rule(is_language, "the short name of a language")
NARROWER: dict[str, Rule] = {  # than the field's type
    "source_lang": LANGUAGE,
    "target_lang": LANGUAGE,
    "eval_bleu_detok": one_of(REST["tokenizer"]),
}
MOST_POSITIONS = 2**17
MOST_PIXELS = 2**12  # of an edge
MOST_HALVINGS = 16
MOST = 2**31  # of any other whole number of a model


class RefusedOptions(ValueError):
    """Options in a checkpoint with which nothing is built."""


class Sizes(NamedTuple):
    """What the weights of a file show of the sizes of its model."""

    tensors: int
    largest: int  # dimension

    @staticmethod
    def of(weights: Any) -> Sizes:
        """Returns those of a model's tensors."""
        tensors = [
            one
            for one in (weights.values() if isinstance(weights, Mapping) else ())
            if torch.is_tensor(one)
        ]
        return Sizes(
            len(tensors), max((max(t.shape, default=1) for t in tensors), default=0)
        )

    def most(self, option: str) -> int:
        """Returns the largest value that an option of the model can have."""
        if option in ("image_height", "image_width"):
            return MOST_PIXELS
        if option.endswith("positions") or option == "words_per_code":
            return MOST_POSITIONS
        if option in ("compression_steps", "alignment_doublings"):
            return MOST_HALVINGS
        if option.endswith(("_layers", "_blocks")):
            return self.tensors
        if option.endswith(("_dim", "_width", "_heads", "_slices", "mixtures")):
            return self.largest
        return MOST


def check_options(state: Any, path: Any) -> None:
    """Checks the options of a checkpoint, and leaves out what has no say, in place.

    Args:
        state: what was read.
        path: from where, for the sentence.

    Raises:
        RefusedOptions: naming file and option.
    """
    if not isinstance(state, MutableMapping):
        return
    cfg, args = state.get("cfg"), state.get("args")
    check = Check(path, Sizes.of(state.get("model")))
    if isinstance(cfg, MutableMapping):
        check.groups(cfg)
    elif cfg is not None:
        check.refuse("cfg", "a dict of options", cfg)
    if isinstance(args, Namespace):
        check.flat("args", vars(args), args)
    elif args is not None:
        check.refuse("args", "a Namespace of options", args)


class Check:
    """Checks one file's options.

    Args:
        path: of the file.
        sizes: of its weights.
    """

    def __init__(self, path: Any, sizes: Sizes) -> None:
        self.path, self.sizes = path, sizes

    def refuse(self, option: str, said: str, value: Any) -> None:
        """Refuses the file.

        Raises:
            RefusedOptions: always.
        """
        raise RefusedOptions(
            f"{self.path} must hold options that a model can be built from, but its "
            f"`{option}` is {short(value)} instead, and not {said}: it is refused."
        )

    def groups(self, cfg: MutableMapping[str, Any]) -> None:
        """Checks options in groups, as fairseq writes them since 0.10."""
        known = groups_of_fairseq()
        for name in list(cfg):
            section = cfg[name]
            if section is None:
                continue
            if name in known and isinstance(section, MutableMapping):
                self.options(name, section, known[name])
            elif name in SERVED or name in REST:
                self.named(cfg, name, section)
            else:
                del cfg[name]

    def named(self, cfg: MutableMapping[str, Any], part: str, section: Any) -> None:
        """Checks the options of a model, a task, an optimizer, …."""
        options = vars(section) if isinstance(section, Namespace) else section
        if not isinstance(options, MutableMapping):
            self.refuse(part, "a group of options", section)
        name = name_of(part, options)
        if not isinstance(name, str):
            self.refuse(part, "the options of something with a name", name)
        if part in REST and name not in (REST[part] or registry(part)):
            cfg[part] = None
        elif isinstance(section, Namespace):
            self.flat(part, options, section)
        else:
            if part in SERVED:
                self.served(part, part, name)
            self.options(part, options, rules_of(part, name), part == "model")

    def flat(self, holder: str, options: MutableMapping[str, Any], args: Any) -> None:
        """Checks options that stand side by side, those of the model among them.

        Args:
            holder: what they are called in the file.
            options: by name.
            args: the same.
        """
        rules: dict[str, Rule] = {}
        for group in groups_of_fairseq().values():
            rules |= group
        due = tuple(SERVED) if holder == "args" else (holder,)
        for part in (*REST, *SERVED):
            name = name_of(part, options) if part in due else options.get(part)
            if part in SERVED and part in due:
                self.served(f"{holder}.{part}", part, name)
            if part == "model" and options.get("arch") is not None:
                self.served(f"{holder}.arch", part, options["arch"])
            if isinstance(name, str):
                rules |= rules_of(part, name)
            rules[part] = TEXT
        self.options(holder, options, rules | {"arch": TEXT})
        if "model" in due:
            for option in rules_of("model", name_of("model", options)):
                self.size(holder, option, options.get(option))

    def served(self, option: str, part: str, name: Any) -> None:
        """Refuses what this package has no use for."""
        known = ARCH_MODEL_NAME_REGISTRY if part == "model" else {}
        if not isinstance(name, str) or known.get(name, name) not in SERVED[part]:
            self.refuse(option, f"one of {', '.join(SERVED[part])}", name)

    def options(
        self,
        holder: str,
        options: MutableMapping[str, Any],
        rules: Mapping[str, Rule],
        sized: bool = False,
    ) -> None:
        """Checks the values of options, and leaves out those that are not known."""
        for name in list(options):
            value = options[name]
            if name in NO_SAY:
                options[name] = None
            elif name == "_name":
                self.value(holder, name, value, TEXT)
            elif name not in rules:
                del options[name]
            else:
                self.value(holder, name, value, NARROWER.get(name, rules[name]))
                if sized:
                    self.size(holder, name, value)

    def value(self, holder: str, name: str, value: Any, rule: Rule) -> None:
        """Checks one value."""
        if not rule.allows(value):
            self.refuse(f"{holder}.{name}", rule.said, value)

    def size(self, holder: str, name: str, value: Any) -> None:
        """Checks a whole number of a model against its weights, before it is built."""
        if isinstance(value, str):
            try:
                value = literal(value)
            except ValueError:
                return
        most = self.sizes.most(name)
        if isinstance(value, (int, float)) and abs(value) > most:
            self.refuse(f"{holder}.{name}", f"at most {most}, as its weights", value)


def known_options(part: str, options: Mapping[str, Any]) -> set[str]:
    """Returns which of flat options a model, a task or a criterion is built from.

    Args:
        part: "model", "task" or "criterion".
        options: all of fairseq's, side by side.
    """
    name = name_of(part, options)
    own = set(rules_of(part, name)) if isinstance(name, str) else set()
    return own | {"_name", "arch", part}


def name_of(part: str, options: Mapping[str, Any]) -> Any:
    """Returns by what name fairseq builds a part; models go by architectures."""
    named = options.get("_name")
    return named or options.get("arch" if part == "model" else part)


def registry(part: str) -> Mapping[str, Any]:
    """Returns fairseq's registry of a part, by name."""
    return REGISTRIES[part]["registry"]


@lru_cache(maxsize=1)
def groups_of_fairseq() -> dict[str, dict[str, Rule]]:
    """Returns the rules of options that belong to no model, task, …."""
    return rules_of_groups(FairseqConfig)


@lru_cache(maxsize=64)
def rules_of(part: str, name: str) -> dict[str, Rule]:
    """Returns the rules of what has a name in one of fairseq's registries."""
    if part == "model":
        return rules_of_model(name)
    if part == "task":
        kind = TASK_DATACLASS_REGISTRY.get(name)
    else:
        kind = REGISTRIES[part]["dataclass_registry"].get(name)
    return {} if kind is None else rules_of_dataclass(kind)


def rules_of_model(name: str) -> dict[str, Rule]:
    """Returns the rules of a model's options.

    Those of argparse alone have further ones, which their architectures set.
    """
    model = ARCH_MODEL_NAME_REGISTRY.get(name, name)
    if model in MODEL_DATACLASS_REGISTRY:
        return rules_of_dataclass(MODEL_DATACLASS_REGISTRY[model])
    if model not in MODEL_REGISTRY:
        return {}
    defaults = Namespace()
    if name in ARCH_CONFIG_REGISTRY:
        ARCH_CONFIG_REGISTRY[name](defaults)
    by_defaults = rules_of_defaults(vars(defaults))
    return by_defaults | rules_of_parser(MODEL_REGISTRY[model].add_args)
