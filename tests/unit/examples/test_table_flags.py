"""Every flag of every table's models exists: fairseq-train would start with them."""

from pathlib import Path

import pytest
from fairseq import options

import vq_nat.translation  # noqa: F401  registers task, models and criterion
from examples.lib.trainings import fairseq_train
from examples.paper_table.config import read_table

TABLES = Path(__file__).resolve().parents[3] / "examples" / "paper_table"


@pytest.mark.parametrize(
    "name", ["demo", "distillation", "longtext", "multi30k", "toy", "wmt14"]
)
def test_fairseq_knows_the_flags(name: str) -> None:
    for model in read_table(TABLES / f"{name}.yaml").models.values():
        flags = {k: v for k, v in model.flags.items() if k != "batch-tokens"}
        words = fairseq_train(Path("data"), Path("out"), flags)[3:]
        place = words.index("--user-dir")  # imported already
        del words[place : place + 2]
        parsed = options.parse_args_and_arch(options.get_training_parser(), words)
        assert parsed.arch == flags["arch"], model.name
        assert parsed.max_update == model.updates
