"""What all tests share: options, seed, device, and a tiny corpus ready for fairseq."""

import json
import logging
import random
from pathlib import Path

import numpy
import pytest
import torch

import vq_nat.image  # registers tasks, models and criterions
import vq_nat.translation  # noqa: F401

SYMBOLS = "abcdefghijklmnopqrst"
SPLITS = {"train": 200, "valid": 40, "test": 40}
LONGEST = 10
SYSTEM_TESTS = Path(__file__).parent / "system"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --device, --system, --threads and --seed."""
    group = parser.getgroup("vq_nat")
    group.addoption("--device", default="cpu", help="where tests compute, e.g. cuda:0")
    group.addoption(
        "--system", action="store_true", help="run the tests that learn something, too"
    )
    group.addoption("--threads", type=int, default=1, help="torch's threads")
    group.addoption("--seed", default="1", help="a number, or `random` to draw one")


def pytest_configure(config: pytest.Config) -> None:
    """Checks the options and limits torch's threads."""
    torch.set_num_threads(config.getoption("--threads"))
    seed = config.getoption("--seed")
    if seed == "random":
        config.option.seed = str(random.SystemRandom().randrange(10_000))
    elif not seed.isdecimal():
        raise pytest.UsageError(
            f"`--seed` must be a number or `random`, but is {seed!r} instead."
        )
    device = config.getoption("--device")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise pytest.UsageError(f"`--device` {device} must exist, but does not.")


def pytest_report_header(config: pytest.Config) -> str:
    """States what a run depends on."""
    options = ("device", "threads", "seed")
    return ", ".join(f"{name} {config.getoption(name)}" for name in options)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Marks the tests in tests/system, and skips what is marked without --system."""
    for item in items:
        if SYSTEM_TESTS in item.path.parents:
            item.add_marker("system")
        if item.get_closest_marker("system") and not config.getoption("--system"):
            item.add_marker(pytest.mark.skip(reason="needs --system"))


@pytest.fixture(autouse=True)
def seed(request: pytest.FixtureRequest) -> int:
    """Seeds every generator before each test, and says with what."""
    value = int(request.config.getoption("--seed"))
    random.seed(value)
    numpy.random.seed(value)
    torch.manual_seed(value)
    return value


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    """The device of --device."""
    return torch.device(request.config.getoption("--device"))


def write_copies(folder: Path) -> None:
    """Writes raw sentences of 1 to 10 symbols whose translations are themselves."""
    draw = random.Random(1)
    for split, size in SPLITS.items():
        lines = [
            " ".join(draw.choices(SYMBOLS, k=draw.randint(1, LONGEST)))
            for _ in range(size)
        ]
        for lang in ("en", "de"):
            (folder / f"{split}.{lang}").write_text("\n".join(lines) + "\n")


def binarise(raw: Path, out: Path) -> None:
    """Runs fairseq-preprocess in this process: starting another takes seconds."""
    from fairseq import options
    from fairseq_cli import preprocess

    arguments = ["--source-lang", "en", "--target-lang", "de", "--joined-dictionary"]
    arguments += ["--destdir", str(out), "--workers", "1"]
    for split in ("train", "valid", "test"):
        arguments += [f"--{split}pref", str(raw / split)]
    handlers = list(preprocess.logger.handlers)
    preprocess.main(options.get_preprocessing_parser().parse_args(arguments))
    for handler in set(preprocess.logger.handlers) - set(handlers):
        preprocess.logger.removeHandler(handler)  # it keeps a log file open
        handler.close()


@pytest.fixture(scope="session")
def even_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose sentences are all of one length: parts of it weigh alike."""
    root = tmp_path_factory.mktemp("even")
    raw, out, draw = root / "raw", root / "bin", random.Random(1)
    raw.mkdir()
    for split in SPLITS:
        lines = [" ".join(draw.choices(SYMBOLS, k=7)) for _ in range(24)]
        for lang in ("en", "de"):
            (raw / f"{split}.{lang}").write_text("\n".join(lines) + "\n")
    binarise(raw, out)
    return out


@pytest.fixture(scope="session")
def tmp_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for fairseq, to read only; the raw text is in `../raw`.

    The task is to copy. Dictionaries are joined, English is the source and German the
    target by name, and the subword codes leave every word in one piece.
    """
    root = tmp_path_factory.mktemp("corpus")
    raw, out = root / "raw", root / "bin"
    raw.mkdir()
    write_copies(raw)
    logging.getLogger("fairseq_cli.preprocess").setLevel(logging.WARNING)
    binarise(raw, out)
    (out / "bpe.codes").write_text("#version: 0.2\na b</w>\n")  # no word is "ab"
    text = {"source_lang": "en", "target_lang": "de"}
    text |= {"tokenizer": "moses", "bpe": "subword_nmt"}
    (out / "text.json").write_text(json.dumps(text))
    return out
