"""Tells where the time of one sentence goes: a profile by stage at batch size 1.

While sentences are translated, the methods of a model are wrapped with a clock, and a
teacher that rescores reports its own time. The rest of a call is Python's part
(`host`), in which no model runs.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

from ..translation.decoding import generator
from ..translation.flow import device_of, is_latent
from .conditions import Rules
from .timing import Synchronize, synchronizer

LATENT_DOORS = {
    "encode": "encode",
    "decode": "decode",
    "recode": "true_codes",  # of words that are refined
}
PARALLEL_DOORS = {"encode": "forward_encoder", "decode": "forward_decoder"}  # fairseq's
OTHER_DOORS = {"encode": "encoder", "decode": "decoder"}  # fairseq's modules


class Stopwatch:
    """Adds up the seconds spent in wrapped functions, by name.

    Args:
        synchronize: waits for the device, so that its work counts where it belongs.
    """

    def __init__(self, synchronize: Synchronize) -> None:
        self.synchronize = synchronize
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function that is the same, but timed."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.synchronize()
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.synchronize()
                self.seconds[name] += time.perf_counter() - start
                self.calls[name] += 1

        return call

    @contextmanager
    def wrapping(self, owner: Any, attribute: str, name: str) -> Iterator[None]:
        """Times an object's method within the context, and restores it."""
        timed = self.timed(name, getattr(owner, attribute))
        with replaced(owner, attribute, timed):
            yield

    @contextmanager
    def counting(self, model: Any) -> Iterator[None]:
        """Counts the steps of a latent model's predictor, whatever the search."""
        if hasattr(model, "sessions"):  # three graphs, one of which is a step
            owner, attribute = model.sessions, "run_arrays"
        elif hasattr(model, "predictor"):
            owner, attribute = model.predictor, "step"
        else:
            yield
            return
        before = getattr(owner, attribute)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls["step"] += attribute == "step" or args[0] == "step"
            return before(*args, **kwargs)

        with replaced(owner, attribute, call):
            yield

    def reset(self) -> None:
        """Forgets all times."""
        self.seconds.clear()
        self.calls.clear()


@contextmanager
def replaced(owner: Any, attribute: str, value: Any) -> Iterator[None]:
    """Replaces an object's attribute within the context."""
    own, before = attribute in vars(owner), getattr(owner, attribute)
    setattr(owner, attribute, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, attribute, before)
        else:
            delattr(owner, attribute)


def can_be_profiled(translator: Any) -> bool:
    """Tells whether there are methods to wrap: our engine computes behind one call."""
    return hasattr(translator, "model") or hasattr(translator, "run_engine")


def profile_stages(
    translator: Any, sentences: list[str], rules: Rules
) -> dict[str, float]:
    """Profiles a translator, one sentence at a time.

    Args:
        translator: a `vq_nat.translation.translator.Translator`, or a
            `.ctranslate2.CTranslate2Translator`, of whose inside nothing is known.
        sentences: raw text.
        rules: warm-up and repeats.

    Returns:
        Milliseconds per sentence, medians over sentences: `total`; `encode`, `predict`
        and `decode` of a latent model, without `predict` of others; `recode`, words
        sent through the compressor to be refined; `rescore`, candidates under the
        teacher; `per_step`, of one step of the predictor or one pass of the decoder;
        `steps`, the number of these; `tokenise` and `detokenise`; `host`, the rest, in
        Python: batching, search, results. Of CTranslate2 `engine`, all of its own work.
    """
    foreign = hasattr(translator, "run_engine")
    device = "cpu" if foreign else str(device_of(translator.model))  # it waits itself
    watch, profile = Stopwatch(synchronizer(device)), profile_one
    if foreign:
        profile = profile_engine
    with ExitStack() as stack:
        for owner, attribute, name in doors(translator):
            stack.enter_context(watch.wrapping(owner, attribute, name))
        if not foreign:
            stack.enter_context(watch.counting(translator.model))
        for index in range(rules.warm_up):
            translator.translate([sentences[index % len(sentences)]])
        rounds = [
            [profile(watch, translator, sentence) for sentence in sentences]
            for _ in range(rules.repeats)
        ]
    of_sentences = [average(repeats) for repeats in zip(*rounds)]
    return {
        name: round(median(one[name] for one in of_sentences), 4)
        for name in of_sentences[0]
    }


def doors(translator: Any) -> list[tuple[Any, str, str]]:
    """Returns what is timed: owner, attribute and the stage's name."""
    codec = translator.codec
    timed = [(codec, "pieces", "tokenise"), (codec, "decode", "detokenise")]
    if hasattr(translator, "run_engine"):
        return [*timed, (translator, "run_engine", "engine")]
    model = translator.model
    if is_latent(model):
        timed.append((generator, "search", "predict"))
        return timed + [(model, door, name) for name, door in LATENT_DOORS.items()]
    if hasattr(model, "forward_encoder"):
        return timed + [(model, door, name) for name, door in PARALLEL_DOORS.items()]
    parts = [(getattr(model, part), name) for name, part in OTHER_DOORS.items()]
    return timed + [(part, "forward", name) for part, name in parts]


def profile_one(watch: Stopwatch, translator: Any, sentence: str) -> dict[str, float]:
    """Translates one sentence, and returns its milliseconds by stage."""
    watch.reset()
    watch.synchronize()
    start = time.perf_counter()
    hypothesis = translator.hypotheses([sentence])[0]
    watch.synchronize()
    total = time.perf_counter() - start
    times = {
        name: 1000 * watch.seconds[name]
        for name in ("tokenise", "encode", "predict", "decode", "recode", "detokenise")
    }
    times["rescore"] = 1000 * hypothesis.teacher_seconds
    latent = bool(watch.calls["predict"])
    if latent:
        steps = max(1, watch.calls["step"])
    elif hasattr(translator.model, "forward_encoder"):  # once for each pass
        steps = 1 + hypothesis.passes
    else:
        steps = max(1, watch.calls["decode"])
    stepped = times["predict"] if latent else times["decode"]
    return {
        "total": 1000 * total,
        **times,
        "host": 1000 * total - sum(times.values()),
        "steps": steps,
        "per_step": stepped / steps,
    }


def profile_engine(
    watch: Stopwatch, translator: Any, sentence: str
) -> dict[str, float]:
    """Translates one sentence by a foreign engine; milliseconds by stage."""
    watch.reset()
    start = time.perf_counter()
    translator.translate([sentence])
    total = 1000 * (time.perf_counter() - start)
    names = ("tokenise", "engine", "detokenise")
    times = {name: 1000 * watch.seconds[name] for name in names}
    return {"total": total, **times, "host": total - sum(times.values())}


def average(repeats: tuple[dict[str, float], ...]) -> dict[str, float]:
    """Returns the median of each figure over the repeats of one sentence."""
    return {name: median(one[name] for one in repeats) for name in repeats[0]}
