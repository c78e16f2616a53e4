"""Decoding options: one home, the same at every door, and refused in one sentence."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq.dataclass.configs import GenerationConfig
from fairseq.dataclass.utils import gen_parser_from_dataclass

import vq_nat
from vq_nat.cli.decoding import add_decoding, chosen
from vq_nat.light import light_module
from vq_nat.translation.decoding import options as home
from vq_nat.translation.decoding.build import (
    lengths_of,
    plain_text,
    refuse_unserved,
    search_of,
)
from vq_nat.translation.decoding.flags import (
    DEFAULTS,
    OF_LATENT_MODELS,
    OURS,
    DecodingConfig,
    read_flags,
    refuse_ignored,
    settle_beam,
    settle_passes,
    write_flags,
)
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.translation.decoding.limits import SearchOptions
from vq_nat.translation.decoding.options import OPTIONS, DecodingOptions, options_from
from vq_nat.translation.task import DiscreteLatentTranslationConfig

# For every option a value that is not its default.
OTHER: dict[str, Any] = {
    "beam": 3,
    "candidates": 3,
    "code_search": "sample",
    "code_beam": 3,
    "temperature": 0.5,
    "sampling_seed": 9,
    "teacher": "teacher.pt",
    "rescore": "chrf",
    "verify": True,
    "verify_best": 3,
    "verify_margin": 0.5,
    "lenpen": 0.5,
    "unnormalized": True,
    "passes": 2,
    "refinement": "both",
    "length_mode": "ratio",
    "length_ratio": 1.5,
    "min_length_ratio": 0.5,
    "max_length_ratio": 2.5,
    "min_len": 4,
    "max_len_a": 1.5,
    "max_len_b": 30,
    "retain_iter_history": True,
    "shortlist": "words.txt",
    "true_codes": True,
    "true_latents": True,
    "autocast": "bfloat16",
}
ALONE = {name: {name: value} for name, value in OTHER.items()}
for name in ("teacher", "rescore"):  # there must be something to choose from
    ALONE[name]["candidates"] = 2
VERIFY = {"verify": True, "teacher": "teacher.pt"}
ALONE["verify"] |= VERIFY
ALONE["verify_best"] |= VERIFY
ALONE["verify_margin"] |= {**VERIFY, "verify_best": 2}


def test_every_option_has_a_value_to_try() -> None:
    assert list(OTHER) == list(OPTIONS)
    assert all(OTHER[name] != home.default_of(name) for name in OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_at_every_door(name: str) -> None:
    """Python's keywords, the command line, and fairseq's flags and generators.

    What exported models alone have is none of fairseq's.
    """
    values = ALONE[name]
    asked = options_from(values)
    assert asked.changed() == values
    command = ArgumentParser()
    add_decoding(command)
    words = []
    for key, value in values.items():
        flag = "--" + key.replace("_", "-")
        words += [flag] if value is True else [flag, str(value)]
    assert chosen(command.parse_args(words)) == values
    if name not in home.LATENT:
        return
    flags = write_flags(asked)
    read = read_flags(flags, DecodingConfig())
    assert flags.iter_decode_with_external_reranker is (asked.teacher is not None)
    # fairseq has loaded it already, and knows it without its name.
    teacher = "teacher.pt" if read.teacher else None
    assert replace(read, teacher=teacher) == asked


def test_fairseqs_parsers_know_every_flag() -> None:
    parser = ArgumentParser()
    gen_parser_from_dataclass(parser, DiscreteLatentTranslationConfig(data="d"))
    known = {action.dest: action for action in parser._actions}
    for name in OURS:
        assert known[name].default == home.default_of(name)
        assert OPTIONS[name].help.split(":")[0] in str(known[name].help)
    theirs = {option.fairseq for option in OPTIONS.values() if option.fairseq}
    assert theirs <= DEFAULTS.keys()


def test_the_call_comes_before_the_task() -> None:
    cfg = DecodingConfig(code_search="lengths", min_length_ratio=0.5, length_ratio=3.0)
    asked = Namespace(iter_decode_with_beam=4, max_len_b=50, lenpen=0.5)
    options = read_flags(asked, cfg)
    assert search_of(options) == SearchOptions("lengths", 4, 1.0, 0.5, 1)
    assert lengths_of(options) == LengthRule(0.0, 50, 0.5, 0.0, 0.0, True)
    wider = lengths_of(read_flags(Namespace(max_length_ratio=5.0), cfg))
    assert wider == LengthRule(0.0, 200, 0.5, 5.0, 0.0, False)
    asked = Namespace(length_mode="ratio", sampling=True, unnormalized=True)
    options = read_flags(asked, cfg)
    assert search_of(options) == SearchOptions("sample", 1, 1.0, 0.0, 1)
    assert lengths_of(options).fixed == 3.0
    assert search_of(DecodingOptions()).kind == "greedy"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hope": 1}, "must be among beam, candidates, .*, but one is 'hope' instead"),
        ({"verify": True}, "`teacher` must be given with `verify`, but is None"),
        ({"verify_best": 2}, "`verify_best` must be 1 without `verify`, but is 2"),
        (
            {"verify_margin": 1.0, "verify": True, "teacher": "x"},
            "`verify_margin` must be 0 with `verify_best` 1, .*, but is 1.0 instead",
        ),
        ({"code_search": "x"}, "`code_search` must be one of beam, sample, lengths, b"),
        ({"length_mode": "2"}, "`length_mode` must be one of free, ratio, but is '2'"),
        ({"refinement": "x"}, "`refinement` must be one of mask, latent, both, but is"),
        ({"rescore": "bleu"}, "`rescore` must be one of model, chrf, but is 'bleu'"),
        ({"autocast": "half"}, "`autocast` must be one of none, auto, bfloat16, float"),
        ({"candidates": 0}, "`candidates` must be at least 1, but is 0 instead"),
        ({"passes": -1}, "`passes` must be at least 0, but is -1 instead"),
        ({"passes": 1.5}, "`passes` must be a whole number, but is 1.5 instead"),
        ({"beam": True}, "`beam` must be a whole number, but is True instead"),
        ({"temperature": 0.0}, "`temperature` must be above 0 and finite, but is 0.0"),
        ({"temperature": nan}, "`temperature` must be above 0 and finite, but is nan"),
        ({"temperature": inf}, "`temperature` must be above 0 and finite, but is inf"),
        ({"lenpen": -1.0}, "`lenpen` must be at least 0 and finite, but is -1.0 inste"),
        ({"lenpen": "long"}, "`lenpen` must be a number, but is 'long' instead"),
        ({"true_codes": 1}, "`true_codes` must be True or False, but is 1 instead"),
        ({"teacher": 3}, "`teacher` must be a path or None, but is 3 instead"),
        (
            {"min_length_ratio": 2.0, "max_length_ratio": 1.0},
            "`min_length_ratio` must be at most `max_length_ratio` .1.0., but is 2.0",
        ),
        (
            {"length_mode": "ratio", "length_ratio": 0.0},
            "`length_ratio` must be above 0 with `length_mode` 'ratio'",
        ),
        (
            {"length_mode": "ratio", "code_search": "lengths"},
            "`code_search` must be 'beam' or 'sample' with `length_mode` 'ratio'",
        ),
        (
            {"min_len": 9, "max_len_b": 8},
            "`min_len` must be at most `max_len_b` .8., but is 9 instead",
        ),
        ({"max_length_ratio": 1e18}, "`max_length_ratio` must be from -2147483647 to"),
        (
            {"lenpen": 10**400},
            "`lenpen` must be from -2147483647 to 2147483647, bu",
        ),
        (
            {"true_codes": True, "candidates": 4},
            "`candidates` must be 1 with `true_codes`, but is 4 instead",
        ),
        (
            {"true_codes": True, "code_beam": 4},
            "`code_beam` must be 0 with `true_codes`, but is 4 instead",
        ),
        (
            {"code_beam": 4, "code_search": "sample"},
            "`code_beam` must be 0 unless `code_search` is 'beam', but is 4 instead",
        ),
        (
            {"code_beam": 4, "candidates": 4},
            "`code_beam` must be 0 or above `candidates` .4., but is 4 instead",
        ),
        ({"true_latents": True, "passes": 1}, "`true_latents` must be False with"),
        ({"true_latents": True, "true_codes": True}, "`true_latents` must be False wi"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        options_from(options)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--rescore chrf", "`candidates` must be above 1 with `rescore`, but is 1"),
        ("--rescore chrf --verify --teacher t", "`candidates` must be above 1 with"),
        (
            "--rescore chrf --teacher t --candidates 4",
            "`rescore` must be 'model' with `teacher`, but is 'chrf' instead",
        ),
    ],
)
def test_a_command_refuses_a_choice_that_is_never_made(
    words: str, sentence: str
) -> None:
    """A service is asked for more candidates later; a checkpoint's own options stay."""
    command = ArgumentParser()
    add_decoding(command)
    options = command.parse_args(words.split())
    with pytest.raises(ValueError, match=sentence):
        chosen(options)
    assert chosen(options, calls_choose=True)["rescore"] == "chrf"


@pytest.mark.parametrize(("asked", "kept"), [(None, 4), (3, 4), (4, 0), (9, 0)])
def test_a_call_for_more_candidates_needs_no_wider_beam(
    asked: int | None, kept: int
) -> None:
    options = DecodingOptions(code_beam=4).of_call(asked, None, parallel=True)
    assert options.code_beam == kept and options.candidates == (asked or 1)


def test_a_call_for_a_beam_of_words_leaves_that_of_codes() -> None:
    assert DecodingOptions(code_beam=4).of_call(5, None, parallel=False).code_beam == 4


@pytest.mark.parametrize(("beam", "kind"), [(0, "greedy"), (4, "beam")])
def test_a_beam_of_codes_is_no_greedy_search(beam: int, kind: str) -> None:
    assert search_of(DecodingOptions(code_beam=beam)).kind == kind


def test_fairseqs_users_read_fairseqs_names() -> None:
    with pytest.raises(
        ValueError, match="`iter_decode_max_iter` must be at least 0, b"
    ):
        read_flags(Namespace(iter_decode_max_iter=-1), DecodingConfig())
    reranks = Namespace(iter_decode_with_external_reranker=True)
    with pytest.raises(
        ValueError, match="`iter_decode_with_beam` must be above 1 with"
    ):
        read_flags(reranks, DecodingConfig())


def test_what_fairseq_has_besides_is_refused() -> None:
    """Every generation option of fairseq is served, or refused unless it is default."""
    served = {*OF_LATENT_MODELS, "beam", "print_step", "sacrebleu", "no_seed_provided"}
    served |= {"no_beamable_mm"}
    refuse_ignored(GenerationConfig(), OF_LATENT_MODELS, "it")
    for name, default in DEFAULTS.items():
        if name.startswith("_"):
            continue
        other = {bool: not default, type(None): "x", str: "x"}.get(type(default), 7)
        args = GenerationConfig(**{name: other})
        if name in served:
            refuse_ignored(args, OF_LATENT_MODELS, "it")
            continue
        with pytest.raises(ValueError, match=f"`{name}` must be .*, fairseq's default"):
            refuse_ignored(args, OF_LATENT_MODELS, "it")
    with pytest.raises(ValueError, match="must be among .*, but one is 'iter_max'"):
        refuse_ignored(Namespace(iter_max=1), OF_LATENT_MODELS, "it")


def test_the_beam_that_fairseq_reports_is_that_of_the_candidates() -> None:
    for beam in (5, 1, 3):
        args = GenerationConfig(beam=beam)
        settle_beam(args, 3)
        assert args.beam == 3
    with pytest.raises(
        ValueError, match="`beam` must be left out, or be .*3.*is 4 ins"
    ):
        settle_beam(GenerationConfig(beam=4), 3)


def test_passes_that_nobody_asked_for_are_none_where_there_can_be_none() -> None:
    """fairseq's default is 10; another number was asked for, and is refused later."""
    for passes, serves, left in ((10, False, 0), (10, True, 10), (9, False, 9)):
        args = GenerationConfig(iter_decode_max_iter=passes)
        settle_passes(args, serves=serves)
        assert args.iter_decode_max_iter == left


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"teacher": "t", "candidates": 4}, "must come with the path of an autoregres"),
        ({"passes": 9}, "`passes` must be 0, but is 9 instead: the model was trained"),
        ({"temperature": 0.5}, "`temperature` must be 1 unless `code_search` is 'samp"),
    ],
)
def test_what_the_model_cannot_serve_is_refused(model, options, sentence) -> None:
    """The small model was trained without shown words."""
    with pytest.raises(ValueError, match=sentence):
        refuse_unserved(DecodingOptions(**options), [model])


def test_pieces_of_both_kinds_become_words(dictionary) -> None:
    for pieces, text in (
        (["tr@@", "ain", "s"], "train s"),
        (["\u2581tr", "ain", "\u2581s"], "train s"),
    ):
        known = type(dictionary)()
        tokens = [known.add_symbol(piece) for piece in pieces]
        assert plain_text(known)(torch.tensor(tokens)) == text


def test_the_options_are_read_without_torch() -> None:
    program = (
        "import sys; from vq_nat.light import light_module as m; "
        "print(m('translation.decoding.options').DecodingOptions()); "
        "assert not {'torch', 'fairseq', 'numpy'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(vq_nat.__file__).parents[1],
        check=True,
        capture_output=True,
    )
    assert light_module("translation.decoding.options") is home
    with pytest.raises(ValueError, match="`name` must be one of translation.decoding"):
        light_module("translation.model")
