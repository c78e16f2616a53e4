"""What must be learned, not only run: to copy sentences through discrete codes."""

import random
import re
from pathlib import Path

import pytest
from fairseq_commands import call, task

pytestmark = pytest.mark.system

SYMBOLS = [f"{a}{b}" for a in "kl" for b in "aeiou"]
LENGTHS = 2, 5
SIZES = {"train": 4000, "valid": 100, "test": 100}
UPDATES = "250"


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binarised corpus of 2 to 5 random symbols of ten and their copies."""
    root = tmp_path_factory.mktemp("copies")
    draw = random.Random(7)
    for split, size in SIZES.items():
        sizes = [draw.randint(*LENGTHS) for _ in range(size)]
        lines = [" ".join(draw.choices(SYMBOLS, k=length)) for length in sizes]
        for lang in ("en", "de"):
            (root / f"{split}.{lang}").write_text("\n".join(lines) + "\n")
    arguments = ["-s", "en", "-t", "de", "--joined-dictionary", "--workers", "1"]
    for split in SIZES:
        arguments += [f"--{split}pref", str(root / split)]
    call("preprocess", [*arguments, "--destdir", str(root / "bin")])
    return root / "bin"


SHOWN_AT_FIRST = ["--latent-share-updates", "30"]
ALIGNED = ["--alignment", "ctc", "--shown-sentences", "0"]
ALIGNED += ["--latent-share-updates", "0"]
KINDS = {
    "hard": ["--vq-assign", "hard", *SHOWN_AT_FIRST],
    "soft": ["--vq-assign", "soft", *SHOWN_AT_FIRST],
    "ctc": ["--vq-assign", "soft", *ALIGNED],
    "ctc-without-codes": ["--vq-kind", "none", *ALIGNED],
}


@pytest.mark.parametrize("kind", KINDS)
def test_copying_is_learned(copies: Path, tmp_path: Path, kind: str, seed: int):
    """The translation through predicted codes equals the source, nearly always.

    Symbols drawn by chance would be right one time in ten.
    """
    model = ["--arch", "vq_em_transformer_tiny", "--criterion", "latent_prediction"]
    model += ["--encoder-embed-dim", "64", "--encoder-ffn-embed-dim", "128"]
    model += ["--encoder-layers", "1", "--predictor-layers", "1"]
    model += ["--decoder-layers", "1", "--compression-steps", "1"]
    model += ["--vq-num-codes", "64", "--dropout", "0.0", *KINDS[kind]]
    model += ["--vq-warmup-updates", "40", "--latent-loss-start", "40"]
    optimizer = ["--optimizer", "adam", "--adam-betas", "(0.9, 0.98)"]
    optimizer += ["--lr", "0.006", "--lr-scheduler", "polynomial_decay"]
    optimizer += ["--warmup-updates", "40", "--total-num-update", UPDATES]
    optimizer += ["--clip-norm", "1.0", "--max-update", UPDATES]
    batches = ["--max-tokens", "400", "--num-workers", "0", "--seed", str(seed)]
    saving = ["--save-dir", str(tmp_path), "--no-epoch-checkpoints"]
    saving += ["--disable-validation", "--log-format", "json"]
    call("train", [*task(copies), *model, *optimizer, *batches, *saving])

    last = str(tmp_path / "checkpoint_last.pt")
    decoding = ["--path", last, "--gen-subset", "test", "--iter-decode-max-iter", "0"]
    printed = call("generate", [*task(copies), *decoding])
    outputs = dict(re.findall(r"^H-(\d+)\t\S+\t(.*)$", printed, flags=re.MULTILINE))
    wanted = dict(re.findall(r"^T-(\d+)\t(.*)$", printed, flags=re.MULTILINE))
    words = sum(len(line.split()) for line in wanted.values())
    hits = sum(
        a == b
        for index, line in wanted.items()
        for a, b in zip(outputs[index].split(), line.split(), strict=False)
    )
    assert len(outputs) == SIZES["test"]
    assert hits / words > 0.8
