"""Owns the limit of each stage: weights read once, products at the measured peak.

A product of R rows with N × K weights takes at least the time to read the weights,
N · K bytes in int8, and at least that of 2 R N K operations. Both speeds are measured
on the spot with the engine's own products: the first with one row and as many weights
as the model has, which tells the cache they lie in; the second with many rows of
weights that stay in the cache. What a stage takes beyond the sum of these is spent on
attention, norms, quantising, embeddings, and what surrounds a product.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from examples.lib.engine_models import Size, is_latent, latent_layers
from examples.lib.engine_products import microseconds, weights
from examples.lib.engine_rows import Stage

STAGES = ("encode", "codes", "words", "output")
PEAK = ((256, 768, 192), (256, 1024, 512), (512, 512, 512))  # rows, outputs, inputs
LARGEST = 2**27  # weights of the product that tells the speed of reading
CHUNK, WORDS_CHUNK = 8, 2  # words per code


class Product(NamedTuple):
    """Products of one shape in a stage."""

    stage: str
    rows: int
    inputs: int
    outputs: int
    times: int = 1


class Speeds(NamedTuple):
    """What the machine can do at most, on one thread."""

    gb_per_s: float
    gop_per_s: float

    def seconds(self, one: Product) -> float:
        """Returns the least time of products."""
        size = one.inputs * one.outputs
        reading = size / self.gb_per_s
        return 1e-9 * one.times * max(reading, 2 * one.rows * size / self.gop_per_s)


def measure_speeds(size: Size) -> Speeds:
    """Measures both speeds in int8."""
    rng = np.random.default_rng(1)

    def time(*, rows: int, outputs: int, inputs: int, what: str) -> float:
        dense = rng.standard_normal((outputs, inputs), dtype=np.float32)
        x = rng.standard_normal((rows, inputs), dtype=np.float32)
        return microseconds(weights(dense, "int8"), x, what)

    count = min(LARGEST, weight_count(size))
    inputs = size.width
    outputs = max(64, count // inputs // 16 * 16)
    read_in = time(rows=1, outputs=outputs, inputs=inputs, what="argmax")
    reading = outputs * inputs / read_in / 1e3
    peak = max(
        2e-3 * r * n * k / time(rows=r, outputs=n, inputs=k, what="linear")
        for r, n, k in PEAK
    )
    return Speeds(round(reading, 1), round(peak, 1))


def weight_count(size: Size) -> int:
    """Returns how many weights a latent model's products have."""
    products = products_of(size, "VQ", words=1, batch=1)
    seen = {(p.stage, p.inputs, p.outputs): p for p in products}
    layers = size.layers
    output = size.width * size.vocabulary
    own = sum(p.inputs * p.outputs for p in seen.values() if p.stage != "output")
    return own * layers + output


def products_of(size: Size, model: str, *, words: int, batch: int) -> list[Product]:
    """Lists the products of a translation; sources and outputs have so many words.

    Args:
        size: of the model.
        model: "VQ", "words 6+1+2", or layers such as "6+1".
        words: of each sentence, without its end.
        batch: sentences.
    """
    if is_latent(model):
        return list(latent_products(size, model, words=words, batch=batch))
    encoder, decoder = map(int, model.split("+"))
    return list(
        autoregressive_products(
            size, encoder=encoder, decoder=decoder, words=words, batch=batch
        )
    )


def latent_products(
    size: Size, model: str, *, words: int, batch: int
) -> Iterator[Product]:
    """Yields those of a latent model: one step of its predictor for each code."""
    width, learned = size.width, not model.startswith("words")
    encoder, predictor, decoder = latent_layers(size, model)
    chunk = CHUNK if learned else WORDS_CHUNK
    codes = -(-(words + 1) // chunk)
    rows = batch * (words + 1)
    readers = predictor + decoder
    yield from encoder_products(size, layers=encoder, readers=readers, rows=rows)
    steps = codes + learned  # the end of codes is a step of its own
    yield from layer_products(size, "codes", layers=predictor, rows=batch, steps=steps)
    if learned:
        yield Product("codes", batch, width, size.codes + 1, steps)
        for doubling in range(3):
            rows_here = batch * codes * 2**doubling
            yield Product("words", rows_here, width, 2 * width)
            yield Product("words", 2 * rows_here, 3 * width, width)
    else:
        yield Product("output", batch, width, size.vocabulary, steps - 1)
    places = batch * codes * chunk
    yield from layer_products(size, "words", layers=decoder, rows=places, steps=1)
    chosen = places if learned else places - batch * codes
    yield Product("output", chosen, width, size.vocabulary)


def autoregressive_products(
    size: Size, *, encoder: int, decoder: int, words: int, batch: int
) -> Iterator[Product]:
    """Yields those of an autoregressive model: one step for each word."""
    yield from encoder_products(
        size, layers=encoder, readers=decoder, rows=batch * (words + 1)
    )
    yield from layer_products(
        size, "words", layers=decoder, rows=batch, steps=words + 1
    )
    yield Product("output", batch, size.width, size.vocabulary, words + 1)


def encoder_products(
    size: Size, *, layers: int, readers: int, rows: int
) -> Iterator[Product]:
    """Yields those of an encoder, and the keys and values for layers that read it."""
    width, ffn = size.width, size.ffn
    yield Product("encode", rows, width, 3 * width, layers)
    yield Product("encode", rows, width, width, layers)
    yield Product("encode", rows, width, ffn, layers)
    yield Product("encode", rows, ffn, width, layers)
    yield Product("encode", rows, width, 2 * width * readers)


def layer_products(
    size: Size, stage: str, *, layers: int, rows: int, steps: int
) -> Iterator[Product]:
    """Yields those of layers that attend to a source as well."""
    width, ffn, times = size.width, size.ffn, layers * steps
    yield Product(stage, rows, width, 3 * width, times)
    yield Product(stage, rows, width, width, 3 * times)
    yield Product(stage, rows, width, ffn, times)
    yield Product(stage, rows, ffn, width, times)


def limits_of(
    size: Size, model: str, *, words: int, batch: int, speeds: Speeds
) -> dict[str, float]:
    """Returns the least milliseconds of each stage."""
    milliseconds = dict.fromkeys(STAGES, 0.0)
    for product in products_of(size, model, words=words, batch=batch):
        milliseconds[product.stage] += 1000 * speeds.seconds(product)
    return milliseconds


def stage_rows(measured: list[list[float]], limits: dict[str, float]) -> list[Stage]:
    """Returns what a row says of stages.

    Args:
        measured: seconds of each stage and the rest, of several calls.
        limits: milliseconds of each stage.
    """
    times = np.median(np.array(measured), axis=0) * 1000
    names = (*STAGES, "rest")
    return [
        {"stage": name, "ms": round(float(time), 4), "limit_ms": round(limit, 4)}
        for name, time in zip(names, times, strict=True)
        for limit in [limits.get(name, 0.0)]
    ]
