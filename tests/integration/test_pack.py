"""A packed folder is complete, read by every door, and packed again to its bytes."""

import io
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fairseq_commands import USER_DIR, call, task
from safetensors import safe_open

import vq_nat
from vq_nat.cli.main import main
from vq_nat.fairseq_side.compat import load_state
from vq_nat.files import sha256

LINES = ["a b c", "", "d e", "t s r q p o n m l k"]
FILES = ["bpe.codes", "config.json", "dict.de.txt", "dict.en.txt"]
FILES += ["model.safetensors", "text.json"]


def run(*words: object) -> int:
    """Runs `vq-nat`."""
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def packed(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed student, far from its data, to read only."""
    out = tmp_path_factory.mktemp("packed") / "student"
    assert run("pack", checkpoint, out, "--licence", "mit") == 0
    return out


@pytest.fixture
def copied(packed: Path, tmp_path: Path) -> Path:
    """One to be damaged."""
    return Path(shutil.copytree(packed, tmp_path / "copied"))


def same_files(one: Path, other: Path) -> bool:
    """Tells whether two folders hold the same bytes."""
    names = [sorted(path.name for path in folder.iterdir()) for folder in (one, other)]
    return names[0] == names[1] and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names[0]
    )


def test_it_translates_as_its_checkpoint(checkpoint: Path, packed: Path) -> None:
    own, wanted = (vq_nat.load(path).nbest(LINES) for path in (packed, checkpoint))
    for ours, theirs in zip(own, wanted, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one._replace(seconds=0) == other._replace(seconds=0)


def test_packing_again_gives_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    assert run("pack", packed, tmp_path / "again") == 0
    assert same_files(packed, tmp_path / "again")


def test_nothing_in_it_is_a_pickle_or_a_place(packed: Path, tmp_corpus: Path) -> None:
    assert sorted(path.name for path in packed.iterdir()) == ["README.md", *FILES]
    with safe_open(packed / "model.safetensors", "pt") as file:
        assert file.keys()
    for path in packed.iterdir():
        assert str(tmp_corpus).encode() not in path.read_bytes()


def test_fairseq_reads_it_as_its_checkpoint(
    generate: Callable[..., str], checkpoint: Path, packed: Path, tmp_corpus: Path
) -> None:
    flags = ("--iter-decode-max-iter", "0", "--min-len", "3")
    wanted = generate(checkpoint / "checkpoint_best.pt", *flags)
    printed = generate(packed / "model.safetensors", *flags)
    assert len(words_and_scores(printed)) >= 80
    assert words_and_scores(printed) == words_and_scores(wanted)
    path = ["--path", str(packed / "model.safetensors")]
    call("validate", [*task(tmp_corpus), *path, "--max-tokens", "500"])


def words_and_scores(printed: str) -> list[str]:
    """Returns the lines of fairseq-generate that say what was found."""
    return [line for line in printed.splitlines() if line[:2] in ("H-", "P-")]


def test_the_cards_and_the_readmes_commands_run(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = (packed / "README.md").read_text()
    line = re.search(r"^fairseq-interactive ((?:.*\\\n)*.*)$", card, re.MULTILINE)
    assert line is not None
    text = line[1].replace("\\\n", " ").replace("$(vq-nat where)", USER_DIR)
    monkeypatch.setattr("sys.stdin", io.StringIO("a b c\n"))
    words = shlex.split(text.replace("FOLDER", str(packed)))
    assert "\nH-0\t" in call("interactive", [*words, "--iter-decode-max-iter", "0"])

    page = Path(USER_DIR, "translation", "README.md").read_text("utf-8")
    section = page[page.index("## Pass a model on") :].split("```")[1]
    commands = [one for one in section.splitlines() if one.startswith("vq-nat")]
    assert len(commands) == 3
    shutil.copytree(packed, tmp_path / "runs" / "demo" / "student")
    monkeypatch.chdir(tmp_path)
    for command in commands:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a b\n")))
        assert run(*shlex.split(command.partition(" <")[0])[1:]) == 0


def test_an_autoregressive_model_is_packed_and_both_start_others(
    train: Callable[..., Path], teacher_model: list[str], packed: Path, tmp_path: Path
) -> None:
    """Its options lie in a Namespace, and its embeddings are one tensor."""
    out, teacher = tmp_path / "out", tmp_path / "teacher"
    train(teacher, 1, "--disable-validation", model=teacher_model)
    checkpoint = teacher / "checkpoint_last.pt"
    assert run("pack", checkpoint, out) == run("pack", out, tmp_path / "again") == 0
    assert same_files(out, tmp_path / "again")
    assert (
        "decoder.embed_tokens.weight" in load_state(out / "model.safetensors")["model"]
    )
    own, wanted = (vq_nat.load(p, beam=2).translate(LINES) for p in (out, checkpoint))
    assert own == wanted
    judged = [vq_nat.load(packed, teacher=p, candidates=3) for p in (out, checkpoint)]
    assert judged[0].translate(LINES) == judged[1].translate(LINES)
    start = ("--init-from-teacher", str(out / "model.safetensors"))
    train(tmp_path / "pupil", 1, "--disable-validation", *start)
    start = ("--finetune-from-model", str(packed / "model.safetensors"))
    train(tmp_path / "further", 1, "--disable-validation", *start)


@pytest.mark.parametrize("name", [n for n in FILES if n != "config.json"])
def test_a_file_that_changed_is_named(
    name: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    assert run("translate", copied) == 2
    assert name in capsys.readouterr().err.splitlines()[-1]


def test_hostile_options_are_refused_as_in_checkpoints(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["options"]["model"]["encoder_layers"] = 10**9
    (copied / "config.json").write_text(json.dumps(config))
    assert run("translate", copied) == 2
    assert "encoder_layers" in capsys.readouterr().err


def test_the_card_has_the_figures_of_a_row_of_this_checkpoint(
    checkpoint: Path,
    packed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = sha256(checkpoint / "checkpoint_best.pt")
    row: dict[str, Any] = {"system": "s", "corpus": "copies", "test_set": "held-back"}
    row |= {"bleu": 12.34, "bleu_signature": "a|b|version:9", "chrf": 50.0}
    row |= {"latency_ms": {"median": 3.25, "p90": 4.5}, "inputs": {"checkpoint": own}}
    path = tmp_path / "row.json"
    path.write_text(json.dumps(row))
    out = tmp_path / "out"
    assert run("pack", packed, out, "--row", path) == 0
    card = (out / "README.md").read_text()
    for figure in ("12.34", "a|b|version:9", "held-back", "3.2 ms", own, "`mit`"):
        assert figure in card
    assert sha256(out / "config.json") in card
    assert run("pack", out, tmp_path / "again") == 0
    assert same_files(out, tmp_path / "again")
    path.write_text(json.dumps(row | {"inputs": {"checkpoint": own[::-1]}}))
    assert run("pack", packed, tmp_path / "other", "--row", path) == 2
    assert "row of this checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_an_export_has_the_same_card(packed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("export", packed, out) == 0
    cards = [(folder / "README.md").read_text() for folder in (packed, out)]
    own, other = (c[c.index("## Data") : c.index("## Files")] for c in cards)
    assert own == other
    assert sha256(out / "description.json") in cards[1]


def test_it_is_a_model_of_the_hub(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hub's own client keeps a repository; nothing is fetched."""
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(packed / "README.md").data
    assert (card.library_name, card.license) == ("vq-nat", "mit")
    repository = tmp_path / "models--owner--name"
    shutil.copytree(packed, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    translations = vq_nat.load("hf://owner/name").translate(LINES)
    assert translations == vq_nat.load(packed).translate(LINES)
    with pytest.raises(OSError, match="hf://owner/other cannot be fetched"):
        vq_nat.load("hf://owner/other")
    with pytest.raises(ValueError, match='must be "hf://OWNER/NAME"'):
        vq_nat.load("hf://owner")
