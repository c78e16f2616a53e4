"""Tests that nothing in a checkpoint is run, whoever reads it, by whichever door."""

import argparse
import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq import checkpoint_utils, options, tasks, utils
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from omegaconf import OmegaConf

from data_prep.lib.average import load
from data_prep.lib.teachers import load_model
from vq_nat.fairseq_side import compat
from vq_nat.fairseq_side.checkpoint_options import RefusedOptions, check_options
from vq_nat.translation.ctranslate2 import convert
from vq_nat.translation.loading import load_teacher, open_model
from vq_nat.translation.onnx.export import export_checkpoint

SIZES = {
    name: value
    for side in ("encoder", "decoder")
    for name, value in {
        f"{side}_embed_dim": 8,
        f"{side}_ffn_embed_dim": 8,
        f"{side}_attention_heads": 2,
        f"{side}_layers": 1,
    }.items()
}
COMMAND = "__import__('pathlib').Path('owned').touch()"  # in the folder of the test


@pytest.fixture(scope="module")
def corpus(tmp_corpus: Path) -> Path:
    """The folder of a prepared corpus."""
    return tmp_corpus


@pytest.fixture(scope="module")
def trained(corpus: Path) -> dict[str, Any]:
    """What fairseq saves of a small teacher."""
    words = [str(corpus), "--task", "translation", "-s", "en", "-t", "de"]
    words += ["--arch", "transformer", "--optimizer", "adam"]
    words += ["--criterion", "label_smoothed_cross_entropy"]
    words += ["--share-all-embeddings", "--lr-scheduler", "inverse_sqrt"]
    for name, value in SIZES.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    args = options.parse_args_and_arch(options.get_training_parser(), words)
    cfg = convert_namespace_to_omegaconf(args)
    model = tasks.setup_task(cfg.task).build_model(cfg.model)
    state = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
    state["model"] = copy.deepcopy(args)
    return {
        "args": None,
        "cfg": state,
        "model": model.state_dict(),
        "optimizer_history": [{"num_updates": 1, "lr_scheduler_state": {}}],
        "extra_state": {"train_iterator": {"epoch": 1}},
        "task_state": {},
    }


def doors(path: Path, corpus: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yields everything that reads a checkpoint, by name."""
    words = ["-s", "en", "-t", "de", "--task", "discrete_latent_translation"]
    args = options.parse_args_and_arch(
        options.get_generation_parser(), [str(corpus), *words]
    )
    task = tasks.setup_task(args)
    ensemble, name = checkpoint_utils.load_model_ensemble, [str(path)]
    yield "vq-nat", lambda: open_model(path, corpus, "cpu", "none", 1)
    yield "--teacher", lambda: load_teacher(path, task, "cpu")
    yield "export", lambda: export_checkpoint(path, path.parent / "out", corpus)
    yield (
        "ctranslate2",
        lambda: convert(path, corpus, ("en", "de"), path.parent),
    )
    yield "distill.py", lambda: load_model(path, corpus)
    yield "average.py", lambda: load(path)
    yield "init_from_teacher", lambda: compat.load_weights(path)
    yield "fairseq-generate", lambda: ensemble(name, task=task)
    overrides = {"data": str(corpus)}
    yield (
        "fairseq-validate",
        lambda: checkpoint_utils.load_model_ensemble_and_task(name, overrides),
    )
    yield (
        "--restore-file",
        lambda: checkpoint_utils.load_checkpoint_to_cpu(str(path)),
    )


def attack(state: dict[str, Any], place: str, value: Any) -> None:
    """Puts a value into a checkpoint: at `model.option`, `args.option`, …."""
    *groups, option = place.split(".")
    holder: Any = state["cfg"]
    if groups[:1] == ["args"]:
        state["args"] = copy.deepcopy(state["cfg"]["model"])
        state["cfg"], holder, groups = None, state["args"], groups[1:]
    for group in groups:
        holder = holder[group] if isinstance(holder, dict) else getattr(holder, group)
    if isinstance(holder, argparse.Namespace):
        setattr(holder, option, value)
    else:
        holder[option] = value


def run(text: str = "[8]") -> str:
    """Returns a text that does harm when it is evaluated, and is worth `text`."""
    return f"{COMMAND} or {text}"


CONVOLUTION = {"wav2vec2": {"conv_feature_layers": run("[(8, 3, 1)]")}}
HUGE = 10**12
# Where, what, and whether it is refused: what has no say is left out without a word.
HOSTILE = [
    ("model.adaptive_softmax_cutoff", run(), True),
    ("model.adaptive_softmax_cutoff", f"[{COMMAND}]", True),
    ("model.adaptive_softmax_cutoff", [COMMAND], True),
    ("model.adaptive_softmax_cutoff", "(lambda: 1)()", True),
    ("model.encoder_layers", run("1"), True),
    ("model.decoder_layers", COMMAND, True),
    ("model.encoder_embed_dim", run("8"), True),
    ("model.decoder_attention_heads", {"a": COMMAND}, True),
    ("model.decoder_output_dim", "${oc.env:HOME}", True),
    ("model.dropout", run("0.1"), True),
    ("model.dropout", float("nan"), True),
    ("model.activation_fn", COMMAND, True),
    ("model.left_pad_source", run("True"), True),
    ("model.share_all_embeddings", COMMAND, True),
    ("model.encoder_layers_to_keep", run(), False),
    ("model.xformers_att_config", run("{}"), False),
    ("model.encoder_embed_path", "owned", False),
    ("model.user_dir", "evil", False),
    ("model.adam_betas", run("(0.9, 0.98)"), False),
    ("model.lr", run("[0.1]"), True),
    ("model.lr", [COMMAND], True),
    ("model.update_freq", run("[1]"), True),
    ("model.wer_args", COMMAND, False),
    ("model.eval_bleu_args", COMMAND, False),
    ("model._name", "fconv", True),
    ("model._name", "lightconv", True),
    ("model._name", "wav2vec2", True),
    ("model._name", COMMAND, True),
    ("model._name", ["transformer"], True),
    ("model.arch", ["fconv"], True),
    ("model", CONVOLUTION, True),
    ("model", {"_name": "hubert", "conv_feature_layers": run()}, True),
    ("model", {"_name": "transformer", "adaptive_softmax_cutoff": run()}, True),
    ("model", COMMAND, True),
    ("model.encoder_layers", HUGE, True),
    ("model.decoder_embed_dim", HUGE, True),
    ("model.max_source_positions", HUGE, True),
    ("task._name", "audio_finetuning", True),
    ("task._name", "multilingual_translation", True),
    ("task._name", COMMAND, True),
    ("task.source_lang", "../../owned", True),
    ("task.target_lang", COMMAND, True),
    ("task.eval_bleu_args", COMMAND, False),
    ("task.eval_bleu_detok", "gpt2", True),
    ("task.left_pad_target", run("False"), True),
    ("task.max_target_positions", run("9"), True),
    ("task.post_save_script", "touch owned", False),
    ("criterion._name", "ctc", True),
    ("criterion.label_smoothing", run("0.1"), True),
    ("criterion", {"_name": "ctc", "wer_args": COMMAND}, True),
    ("optimizer.adam_betas", run("(0.9, 0.98)"), False),
    ("optimizer.lr", run("[0.1]"), True),
    ("lr_scheduler.warmup_updates", run("1"), True),
    ("bpe", {"_name": "gpt2", "gpt2_encoder_json": "http://127.0.0.1:9/x"}, False),
    ("common.user_dir", "evil", False),
    ("common.seed", run("1"), True),
    ("common_eval.model_overrides", COMMAND, False),
    ("optimization.lr", run("[0.1]"), True),
    ("optimization.update_freq", COMMAND, True),
    ("distributed_training.pipeline_balance", COMMAND, False),
    ("generation.lm_path", "evil", False),
    ("checkpoint.optimizer_overrides", COMMAND, False),
    ("another", {"_target_": "os.system"}, False),
    ("args.adaptive_softmax_cutoff", run(), True),
    ("args.encoder_layers", run("1"), True),
    ("args.arch", "fconv", True),
    ("args.task", "multilingual_translation", True),
    ("args.criterion", "ctc", True),
    ("args.lr", run("[0.1]"), True),
    ("args.source_lang", "${oc.env:HOME}", True),
    ("args.user_dir", "evil", False),
    ("args.adam_betas", run("(0.9, 0.98)"), False),
]


@pytest.mark.parametrize(("place", "value", "refused"), HOSTILE)
def test_nothing_in_a_checkpoint_is_run(
    place: str,
    value: Any,
    refused: bool,
    trained: dict[str, Any],
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    package, marker = tmp_path / "evil", tmp_path / "owned"
    package.mkdir()
    (package / "__init__.py").write_text(f"{COMMAND}\n")
    state, path = copy.deepcopy(trained), tmp_path / "student.pt"
    attack(state, place, value)
    torch.save(state, path)
    flat = state["cfg"] is None  # ours read no such file, and fairseq takes its time
    for door, enter in doors(path, corpus):
        if flat and door not in ("vq-nat", "fairseq-generate"):
            continue
        try:
            enter()
        except Exception as error:
            said = str(error)
            # Without ctranslate2 and for a model without codes there is nothing to do.
            assert isinstance(error, ValueError) or type(error).__name__ == "UserError"
            assert "\n" not in said, door
        else:
            assert not refused, door
        assert not marker.exists(), door
    assert "evil" not in sys.modules
    if refused:
        with pytest.raises(RefusedOptions, match=r"student\.pt must hold options that"):
            checkpoint_utils.load_checkpoint_to_cpu(str(path))


@pytest.mark.parametrize("option", ["alignment_doublings", "words_per_code"])
def test_lengths_are_not_multiplied_without_bounds(option: str) -> None:
    model = {"_name": "vq_em_transformer", option: 2**20}
    with pytest.raises(RefusedOptions, match=f"`model.{option}` is 1048576 instead"):
        check_options({"cfg": {"model": model}, "model": {}}, "student.pt")


def test_what_is_hostile_would_do_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert eval(run()) == [8] and (tmp_path / "owned").exists()


def test_what_fairseq_saves_passes(
    trained: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    path, asked = tmp_path / "teacher.pt", 0
    torch.save(trained, path)
    for door, enter in doors(path, corpus):
        if door != "export":  # of models with codes alone
            enter()
            asked += 1
    assert asked == 9


@pytest.mark.parametrize(
    "text", ["(0.9, 0.98)", "[(512, 3)] * 2", "4096", "-1", "True", "{'a': [1]}", "'b'"]
)
def test_fairseq_reads_literals_as_before(text: str) -> None:
    assert utils.eval(text) == eval(text)


@pytest.mark.parametrize(
    "text",
    [
        COMMAND,
        "open('owned', 'w')",
        "[1] * 10**9",
        "[x for x in (1,)]",
        "9**9**9",
        "a",
        "f'{1}'",
        "(" * 5000,
        "[" * 300 + "]" * 300,
        "{**{}}",
        "",
    ],
)
def test_nothing_but_literals_is_read(text: str) -> None:
    with pytest.raises(ValueError, match="which is not evaluated"):
        utils.eval(text)
    with pytest.raises(ValueError, match="which is not evaluated"):
        utils.eval_str_list(text or "?")
