"""The comparison of EM on images, at toy length and from rows that nobody trained."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from image_commands import write_cifar
from warm_python import warm_python

from examples import cifar10_em
from examples.lib import cifar10_em_report
from examples.lib.cifar10_em_plan import ComparisonPlan, options_of, runs_of

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "cifar10_em.py"

PRESETS = sorted((ROOT / "examples" / "presets").glob("cifar10_em*.yaml"))
TOY = ("--preset", ROOT / "examples" / "presets" / "cifar10_em_toy.yaml")
GRID = ("--settings", "soft-exact", "slices", "--seeds", "1", "--threads", "1")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the script as a user does."""
    command = [str(word) for word in (warm_python(), SCRIPT, *arguments)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=environment
    )


def row(setting: str, seed: int, total: float, collapsed: bool = False) -> dict:
    """A row that nobody trained."""
    bits = {"reconstruction": total - 0.2, "total_uniform": total}
    point = {"updates": 10, "bits_per_dim": total, "perplexity": 9.0}
    return {
        "kind": "cifar10_em",
        **{"setting": setting, "label": f"label of {setting}", "seed": seed},
        "bits_per_dim": {**bits, "total_learned": None},
        "codebook": {
            **{"codes": 256, "slices": 1, "grid": [8, 8]},
            **{"perplexity": 9.0, "used_share": 0.5},
        },
        **{"collapsed": collapsed, "curve": [point], "train_seconds": 60},
        **{"images": "boxes", "test_images": 7, "updates": 10, "batch_size": 8},
        **{"processor": "an abacus", "threads": 2, "commit": "abc123"},
        "versions": {"torch": "2.13.0"},
        "flags": {"lr": 0.1, "vq-assign": setting, "seed": seed},
    }


def plan_of(preset: Path, tmp_path: Path) -> ComparisonPlan:
    arguments = ["--data", str(tmp_path), "--preset", str(preset)]
    return cifar10_em.read_plan(cifar10_em.build_parser().parse_args(arguments))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_only_what_is_compared_differs(preset: Path, tmp_path: Path) -> None:
    plan = plan_of(preset, tmp_path)
    runs = list(runs_of(plan))
    assert len(runs) == len({one.name for one in runs}) == 6 * 3
    first = options_of(plan, runs[0])
    varied = {"vq-assign", "vq-update", "vq-num-samples", "seed"}
    for one in runs:
        options = options_of(plan, one)
        differing = {k for k in options if options[k] != first.get(k)}
        sliced = set(plan.preset["slices"]) if one.setting == "slices" else set()
        assert differing <= varied | sliced


def test_the_report_compares_seed_by_seed() -> None:
    rows = [row("hard", 1, 5.5), row("hard", 2, 5.0, collapsed=True)]
    rows += [row("soft-5", 1, 5.4), row("soft-5", 2, 4.8)]
    lines = cifar10_em_report.table(rows).splitlines()
    start = "| label of hard | 8 × 8 of 256 | 2 | 5.050 (4.800–5.300) |"
    assert lines[2].startswith(f"{start} 5.250 (5.000–5.500) | – | – |")
    assert lines[2].endswith(" 50.0 % | 50.0 % | 1.0 (1.0–1.0) |")
    assert " | -0.150 (-0.200 to -0.100) | " in lines[3]


def test_findings_tell_with_how_many_seeds_and_whether_any_collapsed() -> None:
    rows = [row("gradient", 1, 5.2), row("gradient", 2, 5.3)]
    rows += [row("hard", 1, 5.5), row("hard", 2, 5.0)]
    rows += [row("soft-5", 1, 5.4), row("soft-5", 2, 4.8), row("slices", 1, 7.0)]
    sentences = cifar10_em_report.findings(rows).splitlines()
    assert sentences == [
        "- label of gradient and label of hard need equally many bits/dim.",
        "- label of soft-5 against label of hard, bits/dim: 0.150 fewer (with 2 of 2 "
        "seeds).",
        "- label of soft-5 against label of gradient, bits/dim: 0.150 fewer (with 1 of "
        "2 seeds).",
        "- None of these collapsed: whether one is more robust than another, "
        "these rows do not say.",
    ]
    for one in rows:
        one["bits_per_dim"]["total_learned"] = one["bits_per_dim"]["total_uniform"] / 2
    learned = cifar10_em_report.findings(rows).splitlines()[1]
    assert learned.endswith("; with a learned prior 0.075 fewer (with 2 of 2 seeds).")
    rows[0]["collapsed"] = True
    assert "collapsed" not in cifar10_em_report.findings(rows)


def test_rows_of_another_experiment_are_named_and_left_out(tmp_path: Path) -> None:
    rows = [row("hard", seed, 5.0) for seed in (1, 2)] + [row("slices", 1, 6.0)]
    rows += [{**row("soft-5", 1, 4.0), "updates": 50000}]
    other = row("soft-5", 2, 4.0)
    rows += [{**other, "flags": {**other["flags"], "lr": 0.2}}]
    rows[2]["flags"]["latent-width"] = 80
    for number, one in enumerate(rows):
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
    text = cifar10_em_report.write(tmp_path, list(cifar10_em.SETTINGS), 0.05)
    assert "label of soft-5" not in text and "label of slices" in text
    assert text.strip().endswith("than most rows here: soft-5-seed1, soft-5-seed2.")
    assert "(product quantization with `latent-width` 80)" in text


def test_a_prior_is_joined_to_the_row_of_the_same_weights(tmp_path: Path) -> None:
    priors = tmp_path / "priors"
    priors.mkdir()
    for seed, weights in ((1, "abc"), (2, "other")):
        one = {**row("hard", seed, 5.5), "fingerprint": "abc"}
        prior = {"bits_per_dim": 0.125, "fingerprint": weights, "parameters": 9}
        prior |= {"updates": 3, "train_seconds": 2}
        (tmp_path / f"hard-{seed}.json").write_text(json.dumps(one))
        (priors / f"hard-{seed}.json").write_text(json.dumps(prior))
    same, other = cifar10_em_report.load_rows(tmp_path, ["hard"])
    assert same["bits_per_dim"]["total_learned"] == pytest.approx(5.3 + 0.125)
    assert same["prior"]["updates"] == 3
    assert other["bits_per_dim"]["total_learned"] is None
    assert "| 5.425 |" in cifar10_em_report.table([same, other])


def test_settings_come_in_their_order(tmp_path: Path) -> None:
    for one in (row("soft-5", 1, 5.0), row("gradient", 2, 5.0), row("gradient", 1, 5)):
        path = tmp_path / f"{one['setting']}-{one['seed']}.json"
        path.write_text(json.dumps(one))
    (tmp_path / "other.json").write_text('{"kind": "robustness"}')
    text = cifar10_em_report.write(tmp_path, list(cifar10_em.SETTINGS), 0.05)
    assert text.index("label of gradient") < text.index("label of soft-5")
    assert "below 5 % of the codes" in text and "abc123" in text
    assert (tmp_path / "report.md").read_text() in text
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_a_toy_comparison_keeps_rows_and_is_not_repeated(tmp_path: Path) -> None:
    data = write_cifar(tmp_path / "images")
    folders = ("--work", tmp_path / "work", "--results", tmp_path / "results")
    arguments = ("--data", data, *TOY, *GRID, *folders)
    first = run(*arguments)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count("trained: ") == 4
    paths = sorted((tmp_path / "results").glob("*.json"))
    names = ["slices-seed1", "soft-exact-seed1"]
    assert [path.stem for path in paths] == names
    measured: dict[str, Any] = json.loads(paths[0].read_text())
    assert [point["updates"] for point in measured["curve"]] == [2, 4]
    assert measured["codebook"]["slices"] == 2 and measured["prior"] is None
    bits = measured["bits_per_dim"]
    assert bits["prior_uniform"] == pytest.approx(64 * 2 * 3 / 3072, abs=1e-4)
    total = bits["reconstruction"] + bits["prior_uniform"]
    assert bits["total_uniform"] == pytest.approx(total, abs=1e-4)
    before = [path.stat().st_mtime_ns for path in paths]
    prior = json.loads((tmp_path / "results" / "priors" / paths[0].name).read_text())
    assert prior["fingerprint"] == measured["fingerprint"]
    assert 0 < prior["bits_per_dim"] < 2 * bits["prior_uniform"]
    again = run(*arguments)
    assert again.returncode == 0 and again.stdout.count("reused: ") == 4
    assert [path.stat().st_mtime_ns for path in paths] == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--updates", "0"), "--updates must be at least 1, but is 0 instead."),
        (("--data", "/nowhere"), "--data must be a folder of images; /nowhere is none"),
        (("--report",), ".*runs/cifar10_em/results must hold rows, but holds none"),
        (("--preset", ROOT / "examples" / "presets" / "toy.yaml"), "The preset "),
    ],
)
def test_misuse_is_one_sentence(
    arguments: tuple[object, ...],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(word) for word in ("--data", tmp_path, *arguments)]
    with pytest.raises(SystemExit, match=f"error: {sentence}"):
        cifar10_em.main(words)


def test_without_data_nothing_is_trained() -> None:
    with pytest.raises(SystemExit, match="error: --data must be given, but is not."):
        cifar10_em.main([])


def test_older_rows_without_a_hash_or_the_precision_stand_beside_newer_ones() -> None:
    old = [row("hard", seed, 5.0) for seed in (1, 2)]
    new = {**row("hard", 3, 5.0), "data_sha256": "abc"}
    new["flags"] = {**new["flags"], "autocast": "auto"}
    other = {**new, "data_sha256": "def", "seed": 4}
    wide = row("hard", 5, 5.0)
    wide["flags"]["latent-width"] = 80  # no product quantization
    rows = [*old, new, {**new, "seed": 6}, other, wide]
    kept, left = cifar10_em_report.alike(rows)
    assert [one["seed"] for one in kept] == [1, 2, 3, 6]
    assert [one["seed"] for one in left] == [4, 5]
