"""What is changed in fairseq: listed, switchable, and not by an import alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vq_nat
from vq_nat.fairseq_side import patches

STATE = """
import json, fairseq.utils
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager
from fairseq.models.ema.ema import EMA
from fairseq.optim import adam
from fairseq import checkpoint_utils
from fairseq.trainer import Trainer
from omegaconf import DictConfig
def state():
    return {
        "files": type(checkpoint_utils.torch).__name__ == "GuardedTorch",
        "workers": distributed._infer_torch_distributed_launch_init.__name__ == "infer",
        "resuming": "resuming" in checkpoint_utils.load_checkpoint.__code__.co_filename,
        "saving": "saving" in
                  checkpoint_utils.torch_persistent_save.__code__.co_filename,
        "averages": hasattr(EMA._step_internal, "__wrapped__"),
        "tpu": fairseq.utils.get_tpu_device.__module__.startswith("vq_nat"),
        "options": hasattr(DictConfig.__getattr__, "__wrapped__"),
        "adam": "fairseq_side" in adam.Adam.step.__code__.co_filename
                or "fairseq_side" in getattr(
                    adam.Adam.step, "__wrapped__", adam.Adam.step).__code__.co_filename,
        "norm": fairseq.utils.multi_tensor_total_norm.__module__.startswith("vq_nat"),
        "memory": hasattr(Trainer.__init__, "__wrapped__"),
        "seed": Trainer._set_seed.__module__.startswith("vq_nat"),
        "log": Trainer._reduce_and_log_stats.__module__.startswith("vq_nat"),
    }
before = state()
import vq_nat.translation
imported = state()
from vq_nat.translation.task import DiscreteLatentTranslationTask
try:
    DiscreteLatentTranslationTask.setup_task(None)
except Exception:
    pass  # there is no such task, but it was asked for
print(json.dumps([before, imported, state()]))
"""
NAMES = [patch.name for patch in patches.PATCHES]
AT_IMPORT = [patch.name for patch in patches.PATCHES if patch.at_import]


def states(switch: str | None) -> list[list[str]]:
    """Returns what is in place before, after the import, and after a task."""
    environment = {k: v for k, v in os.environ.items() if k != patches.SWITCH}
    environment["PYTHONPATH"] = str(Path(vq_nat.__file__).parents[1])
    if switch is not None:
        environment[patches.SWITCH] = switch
    done = subprocess.run(
        [sys.executable, "-c", STATE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    switches = json.loads(done.stdout.splitlines()[-1])
    return [[name for name in NAMES if one[name]] for one in switches]


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        (None, [[], AT_IMPORT, NAMES]),
        ("none", [[], ["files"], ["files"]]),
        ("adam, workers", [[], ["files", "workers"], ["files", "workers", "adam"]]),
    ],
)
def test_an_import_changes_little_and_all_but_the_guard_can_be_switched_off(
    switch: str | None, expected: list[list[str]]
) -> None:
    assert states(switch) == expected


def test_what_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(patches.SWITCH, "adam,eve")
    with pytest.raises(ValueError, match="VQ_NAT_PATCHES must be none .*'eve' inste"):
        patches.apply()


def test_each_is_put_in_place_once(monkeypatch: pytest.MonkeyPatch) -> None:
    patches.apply()
    calls = []
    again = patches.Patch("again", "", "", lambda: calls.append(1))
    monkeypatch.setattr(patches, "PATCHES", (*patches.PATCHES, again))
    monkeypatch.setattr(patches, "_in_place", list(patches._in_place))
    monkeypatch.delenv(patches.SWITCH, raising=False)
    assert patches.apply() == patches.apply()
    assert calls == [1]


def test_the_readme_lists_them() -> None:
    readme = Path(vq_nat.__file__).with_name("translation") / "README.md"
    text = readme.read_text(encoding="utf-8")
    for patch in patches.PATCHES:
        assert f"| `{patch.name}` | {patch.what} | {patch.why} |" in text
