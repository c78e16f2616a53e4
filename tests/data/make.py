"""Makes the small models of a version that later ones must still load.

    python tests/data/make.py OUT

writes OUT/checkpoint, OUT/packed, OUT/exported and OUT/expected.json: a model that
learned to copy letters, as this version writes it, and what it translates. Run it once
for a version, by hand, and never change what it wrote.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE.parent / "integration")]

from fairseq_commands import OPTIMIZER, call  # noqa: E402

import vq_nat  # noqa: E402
import vq_nat.translation  # noqa: E402, F401
from tests.conftest import binarise, write_copies  # noqa: E402
from vq_nat.cli.main import main  # noqa: E402

LINES = ["a b c", "", "t s r q p o n m", "d e f g", "k k k"]
TASK = ["--task", "discrete_latent_translation", "-s", "en", "-t", "de", "--cpu"]
TASK += ["--user-dir", "vq_nat"]
MODEL = [
    *("--arch", "vq_em_transformer_tiny", "--criterion", "latent_prediction"),
    *("--encoder-embed-dim", "8", "--encoder-ffn-embed-dim", "16"),
    *("--encoder-attention-heads", "2", "--encoder-layers", "1"),
    *("--predictor-layers", "1", "--decoder-layers", "1", "--dropout", "0"),
    *("--vq-num-codes", "32", "--compression-steps", "1"),
    *("--vq-warmup-updates", "50", "--latent-share-updates", "100"),
    *("--max-source-positions", "32", "--max-target-positions", "32"),
]
LENGTH = ["--max-update", "1000", "--lr", "0.01", "--max-tokens", "2000"]
KEPT = ["--no-epoch-checkpoints", "--no-save-optimizer-state", "--disable-validation"]


def make(out: Path, work: Path) -> None:
    """Trains and writes the models.

    Args:
        out: where they go.
        work: a folder for what is not kept.
    """
    raw, data = work / "raw", work / "bin"
    raw.mkdir()
    write_copies(raw)
    binarise(raw, data)
    (data / "bpe.codes").write_text("#version: 0.2\na b</w>\n")
    text = {"source_lang": "en", "target_lang": "de"}
    text |= {"tokenizer": "space", "bpe": "subword_nmt"}
    (data / "text.json").write_text(json.dumps(text) + "\n")
    save = ["--save-dir", str(work / "saved")]
    call("train", [str(data), *TASK, *MODEL, *OPTIMIZER, *LENGTH, *KEPT, *save])
    checkpoint = out / "checkpoint"
    checkpoint.mkdir(parents=True)
    last = work / "saved" / "checkpoint_last.pt"
    shutil.copyfile(last, checkpoint / "checkpoint_best.pt")
    for name in ("bpe.codes", "text.json", "dict.en.txt", "dict.de.txt"):
        shutil.copyfile(data / name, checkpoint / name)
    main(["pack", str(checkpoint), str(out / "packed"), "--licence", "mit"])
    main(["export", str(checkpoint), str(out / "exported")])
    expected = {}
    for name in ("checkpoint", "packed", "exported"):
        translator = vq_nat.load(out / name)
        hypotheses = translator.hypotheses(LINES)
        expected[name] = [
            [one.text, one.codes, round(one.score, 3)] for one in hypotheses
        ]
    content = json.dumps({"lines": LINES, **expected}, indent=1)
    (out / "expected.json").write_text(content + "\n")


if __name__ == "__main__":
    place = Path(sys.argv[1]).absolute()
    os.chdir(ROOT)  # so that the checkpoint names no place of this machine
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as name:
        make(place, Path("build", Path(name).name))
