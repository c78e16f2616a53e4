"""examples/lib/engine_report.py: who wins where, said from the rows."""

from typing import Any

from examples.lib.engine_report import who_wins


def system(engine: str, model: str, ms: float, shortlist: bool = False) -> Any:
    """A system that took as long in each of three rounds."""
    return {
        **{"engine": engine, "model": model, "shortlist": shortlist, "workers": False},
        **{"number_format": "int8", "beam": 1, "calls": 3},
        **{"ms": {"median": ms, "p10": ms, "p90": ms}, "rounds_ms": [ms] * 3},
    }


def row(*systems: Any) -> Any:
    """A cell of the comparison."""
    named = {str(place): one for place, one in enumerate(systems)}
    return {"threads": 1, "batch_size": 1, "words": 13, "systems": named}


FULL = [
    system("vq-nat", "VQ", 1.0),
    system("vq-nat", "12+1", 2.0),
    system("CTranslate2", "12+1", 5.0),
]
SHORT = [
    system("vq-nat", "VQ", 0.9, shortlist=True),
    system("vq-nat", "12+1", 0.6, shortlist=True),
    system("CTranslate2", "12+1", 1.2, shortlist=True),
]


def test_shortlists_are_compared_with_shortlists_alone() -> None:
    full, short = who_wins([row(*FULL, *SHORT)]).splitlines()
    assert "1 thread, whole vocabulary**: our fastest model is 5.00 times" in full
    assert "2.00 times as fast (at 13 words) as the fastest autoregressive" in full
    assert "1 thread, with shortlists**: our fastest model is 1.33 times" in short
    assert "0.67 times as fast (at 13 words) as the fastest autoregressive" in short


def test_models_with_a_deep_encoder_are_told_apart() -> None:
    told = who_wins([row(*FULL, system("vq-nat", "words 12+1+1", 0.5))])
    assert "our fastest model is 10.00 times" in told
    assert "with even layers 5.00 times as fast" in told
    assert "a deep encoder 10.00 times as fast (at 13 words) as CTr" in told
    assert "and 4.00 times as fast (at 13 words) as that autoregressive model" in told


def test_nothing_is_said_of_shortlists_where_one_side_has_none() -> None:
    told = who_wins([row(*FULL, SHORT[0])])
    assert "shortlists" not in told
    assert len(told.splitlines()) == 1
