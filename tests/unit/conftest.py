"""What the tests of the bench share: result rows without a measurement."""

from collections.abc import Callable
from typing import Any

import pytest

LABELS = {
    "teacher-beam4": "autoregressive teacher, beam 4",
    "teacher-greedy": "autoregressive teacher, greedy",
    "student": "latent student",
}


@pytest.fixture
def make_row() -> Callable[..., dict[str, Any]]:
    """make_row("student", milliseconds, …): a row; further values replace its own."""

    def make(system: str, milliseconds: float, **changed: Any) -> dict[str, Any]:
        latent = (
            {"n_c": 2, "n_s": 10, "codebook_size": 256} if system[:2] == "st" else {}
        )
        nothing = dict.fromkeys(
            ("n_c", "n_s", "codebook_size", "slices", "beam", "passes", "outputs")
            + ("ter", "comet", "mixed")
        )
        return {
            **nothing,
            "decoding": {},
            "device": "cpu",
            "length_ratio": 1.0,
            "repetition_rate": 0.0,
            "system": system,
            "label": LABELS.get(system, system),
            "corpus": "demo",
            "test_set": "test",
            "sentences": 1000,
            "bleu": 50.0,
            "bleu_signature": "nrefs:1|version:2.6.0",
            "chrf": 60.0,
            "correct": 0.25,
            "latency_ms": {
                "median": milliseconds,
                "p90": 2 * milliseconds,
                "includes": "tokenisation included",
                **dict.fromkeys(("batch_size", "sentences", "warm_up", "repeats"), 1),
            },
            "throughput": {"sentences_per_s": 100.0, "batch_size": 64},
            "processor": "an abacus",
            "calibration": {"products_ms": 6.0, "operators_ms": 9.0},
            "threads": 2,
            "dtype": "float32",
            "versions": {"torch": "2.13.0"},
            "commit": "abc123",
            "parameters": 1_500_000,
            "updates": 700,
            "train_seconds": 90,
            "seed": 1,
            **latent,
            "validation": {
                "updates": 700,
                "bleu": 40.0,
                "bleu_true_codes": 70.0,
                **dict.fromkeys(("code_accuracy", "perplexity", "posterior_entropy")),
            },
            **changed,
        }

    return make
