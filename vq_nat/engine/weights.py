"""From a trained model to the tensors and the description that the engine reads.

The model is read by its attributes, so that nothing heavy is imported here. Names of
tensors follow its state dict; query, key and value are one linear layer, and so are the
keys and values of the source for all layers of a stage (of each layer the keys first).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy

from .packing import Array, linear

FORMATS = ("int8", "float32")
Tensors = Iterator[tuple[str, Array]]


def tensors_of(model: Any, number_format: str) -> dict[str, Array]:
    """Returns the tensors of a model, by name.

    Args:
        model: a latent model, or an autoregressive Transformer of fairseq.
        number_format: of linear layers, "int8" or "float32".

    Raises:
        ValueError: for a number format or a model that the engine does not serve.
    """
    if number_format not in FORMATS:
        raise ValueError(
            f"`number_format` must be one of {', '.join(FORMATS)}, but is "
            f"{number_format!r} instead."
        )
    refuse_unserved(model)
    writer = Writer(number_format)
    latent = is_latent(model)
    return dict(writer.latent(model) if latent else writer.autoregressive(model))


def is_latent(model: Any) -> bool:
    """Tells whether a model has codes."""
    return hasattr(model, "lookup")


def writes_words(model: Any) -> bool:
    """Tells whether a latent model's codes are words."""
    return model.cfg.vq_kind == "words"


class Writer:
    """Yields names and tensors.

    Args:
        number_format: of linear layers.
    """

    def __init__(self, number_format: str) -> None:
        self.number_format = number_format

    def latent(self, model: Any) -> Tensors:
        """Yields what a latent model has, without its compressor."""
        table = array(model.embed_tokens.weight)
        scaled = table * numpy.float32(model.cfg.encoder_embed_dim**0.5)
        yield "embed.table", scaled
        yield "positions.table", array(model.decoder.positions.table)
        yield "hidden_word", array(model.hidden_word)
        yield from self._output(table, None, scaled)
        yield from self._stage("encoder", model.encoder)
        yield from self._stage("decoder", model.decoder)
        yield from self._predictor(model)
        each = zip(model.decoder.doublings, model.decoder.refinements)
        for number, (doubling, refinement) in enumerate(each):
            yield from self._layer(f"decoder.doublings.{number}", [doubling])
            yield from norm(f"decoder.refinements.{number}.norm", refinement.norm)
            conv = refinement.conv.conv  # (C, C, kernel) → (C, kernel · C)
            weight = array(conv.weight).transpose(0, 2, 1).reshape(len(conv.weight), -1)
            name = f"decoder.refinements.{number}.conv"
            yield from self._linear(name, weight, array(conv.bias))

    def autoregressive(self, model: Any) -> Tensors:
        """Yields what one of fairseq's Transformers has."""
        source = scaled_embedding(model.encoder)
        target = scaled_embedding(model.decoder)
        if source.shape == target.shape and (source == target).all():
            yield "embed.table", source
        else:
            yield "embed_source.table", source
            yield "embed_target.table", target
        yield from positions(model)
        projection = model.decoder.output_projection
        bias = None if projection.bias is None else array(projection.bias)
        yield from self._output(array(projection.weight), bias, target)
        yield from self._stage("encoder", model.encoder)
        yield from self._stage("decoder", model.decoder)

    def _output(self, weight: Array, bias: Array | None, embedding: Array) -> Tensors:
        """Yields what words are scored with.

        In int8 the best words are compared once more in float32: with the embedding by
        a factor where that is the same, else with a table of its own.
        """
        yield from self._linear("output", weight, bias)
        if self.number_format != "int8":
            return
        factor = factor_between(embedding, weight)
        if factor is None:
            yield "output.rows", weight
        else:
            yield "output.of_embedding", numpy.array([factor], numpy.float32)

    def _predictor(self, model: Any) -> Tensors:
        predictor = model.predictor
        yield from self._stage("predictor", predictor)
        if writes_words(model):  # embedded and predicted as all words are
            return
        yield "predictor.begin", array(predictor.begin)
        yield "predictor.embed_codes.table", array(predictor.embed_codes.weight)
        yield "codes.table", code_table(model)
        yield from self._layer("predictor.output", [predictor.output])
        if self.number_format == "int8":  # for the order of the best
            yield "predictor.output.rows", array(predictor.output.weight)

    def _stage(self, name: str, stage: Any) -> Tensors:
        for number, layer in enumerate(stage.layers):
            yield from self._transformer_layer(f"{name}.layers.{number}", layer)
        if getattr(stage, "layer_norm", None) is not None:
            yield from norm(f"{name}.norm", stage.layer_norm)
        sources: list[Any] = [
            getattr(layer, "encoder_attn", None) for layer in stage.layers
        ]
        if all(sources):
            parts = [part for one in sources for part in (one.k_proj, one.v_proj)]
            yield from self._layer(f"{name}.memory", parts)

    def _transformer_layer(self, name: str, layer: Any) -> Tensors:
        own, source = layer.self_attn, getattr(layer, "encoder_attn", None)
        projections = [own.q_proj, own.k_proj, own.v_proj]
        yield from norm(f"{name}.self_attn_norm", layer.self_attn_layer_norm)
        yield from self._layer(f"{name}.self_attn.qkv", projections)
        yield from self._layer(f"{name}.self_attn.out", [own.out_proj])
        if source is not None:
            yield from norm(f"{name}.encoder_attn_norm", layer.encoder_attn_layer_norm)
            yield from self._layer(f"{name}.encoder_attn.q", [source.q_proj])
            yield from self._layer(f"{name}.encoder_attn.out", [source.out_proj])
        yield from norm(f"{name}.final_norm", layer.final_layer_norm)
        yield from self._layer(f"{name}.fc1", [layer.fc1])
        yield from self._layer(f"{name}.fc2", [layer.fc2])

    def _layer(self, name: str, layers: list[Any]) -> Tensors:
        """Yields several linear layers of one input as one."""
        weight = numpy.concatenate([array(layer.weight) for layer in layers])
        bias = numpy.concatenate([array(layer.bias) for layer in layers])
        return self._linear(name, weight, bias)

    def _linear(self, name: str, weight: Array, bias: Array | None) -> Tensors:
        return linear(name, weight, bias, self.number_format)


def array(tensor: Any) -> Array:
    """Returns a parameter as numbers of float32."""
    return tensor.detach().float().cpu().numpy()


def norm(name: str, layer: Any) -> Tensors:
    """Yields a layer normalisation."""
    yield f"{name}.weight", array(layer.weight)
    yield f"{name}.bias", array(layer.bias)


def factor_between(one: Array, other: Array) -> float | None:
    """Returns the factor from one matrix to another, None if there is none."""
    place = numpy.unravel_index(numpy.abs(one).argmax(), one.shape)
    if one.shape != other.shape or not one[place]:
        return None
    factor = other[place] / one[place]
    return float(factor) if numpy.allclose(one * factor, other, 1e-6, 0) else None


def scaled_embedding(side: Any) -> Array:
    """Returns the embedding of one side with its scale in it. Shape: (V, C)."""
    return array(side.embed_tokens.weight) * numpy.float32(side.embed_scale)


def code_table(model: Any) -> Array:
    """Returns what every code of every slice is looked up as. Shape: (G · K, C / G)."""
    slices, codes = model.predictor.slices, model.predictor.codes
    like = model.predictor.begin.new_zeros(1, codes, slices).long()
    every = like + like.new_tensor(range(codes)).view(1, -1, 1)
    vectors = array(model.bottleneck.lookup(every))  # (1, K, C)
    by_slice = vectors.reshape(codes, slices, -1).transpose(1, 0, 2)
    return numpy.ascontiguousarray(by_slice.reshape(slices * codes, -1))


def positions(model: Any) -> Tensors:
    """Yields the positions of both sides, counted from the first word."""
    sides = {"encoder": model.encoder, "decoder": model.decoder}
    tables = {name: side.embed_positions for name, side in sides.items()}
    if all(is_learned(table) for table in tables.values()):
        for name, table in tables.items():
            first = table.padding_idx + 1
            yield f"{name}.positions.table", array(table.weight)[first:]
        return
    width, rows = model.decoder.embed_dim, max(longest(model))
    table = tables["decoder"]
    if table is None:
        yield "positions.table", numpy.zeros((rows, width), numpy.float32)
        return
    first = table.padding_idx + 1
    vectors = table.get_embedding(first + rows, width, table.padding_idx)
    yield "positions.table", array(vectors)[first:]


def is_learned(positions: Any) -> bool:
    """Tells whether positions are parameters."""
    return positions is not None and not hasattr(positions, "get_embedding")


def longest(model: Any) -> tuple[int, int]:
    """Returns the longest source and target."""
    source, target = model.max_positions()
    return int(source), int(target)


# -------------------------------------------------------------------- the description


def describe(model: Any, dictionaries: dict[str, Any]) -> dict[str, Any]:
    """Returns what the engine must know of a model beside its weights.

    Args:
        model: the model.
        dictionaries: of source and target, by language, in this order.
    """
    source, target = dictionaries.values()
    limits = longest(model)
    own = describe_latent(model) if is_latent(model) else describe_teacher(model)
    return {
        **own,
        "encoder_layers": len(model.encoder.layers),
        "decoder_layers": len(model.decoder.layers),
        "vocabulary": {"source": len(source), "target": len(target)},
        "special": {
            name: getattr(target, name)() for name in ("bos", "pad", "eos", "unk")
        },
        "max_source": limits[0],
        "max_target": limits[1],
        "languages": list(dictionaries),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def describe_latent(model: Any) -> dict[str, Any]:
    """Returns what is a latent model's own."""
    words = writes_words(model)
    return {
        "kind": "latent",
        "width": model.cfg.encoder_embed_dim,
        "heads": model.cfg.encoder_attention_heads,
        "ffn": model.cfg.encoder_ffn_embed_dim,
        "predictor_layers": len(model.predictor.layers),
        "pre_norm": True,
        "codes": "words" if words else "learned",
        "slices": 1 if words else model.predictor.slices,
        "codes_per_slice": len(model.embed_tokens.weight)
        if words
        else model.predictor.codes,
        "chunk": model.chunk,
        "sees_words": bool(model.sees_words),
        "samples": samples_of(model),
    }


def samples_of(model: Any) -> int | None:
    """Returns how many codes were drawn in training, None if they were not drawn."""
    cfg = model.cfg
    soft = cfg.vq_assign == "soft" and cfg.vq_kind == "vq"
    return int(cfg.vq_num_samples) if soft else None


def describe_teacher(model: Any) -> dict[str, Any]:
    """Returns what is an autoregressive model's own."""
    encoder, decoder = model.encoder.layers[0], model.decoder.layers[0]
    return {
        "kind": "autoregressive",
        "width": model.decoder.embed_dim,
        "heads": decoder.self_attn.num_heads,
        "ffn": decoder.fc1.out_features,
        "pre_norm": bool(decoder.normalize_before),
        "encoder_heads": encoder.self_attn.num_heads,
        "encoder_ffn": encoder.fc1.out_features,
        "encoder_pre_norm": bool(encoder.normalize_before),
        "decoder_final_norm": model.decoder.layer_norm is not None,
    }


# ------------------------------------------------------------------ what is not served


def refuse_unserved(model: Any) -> None:
    """Refuses what the engine does not compute.

    Raises:
        ValueError: naming it.
    """
    reasons = latent_reasons(model) if is_latent(model) else teacher_reasons(model)
    for wrong, what in reasons:
        if wrong:
            raise ValueError(f"a model for the engine must have {what}.")


def latent_reasons(model: Any) -> Iterable[tuple[bool, str]]:
    """Yields what a latent model may lack, and whether it does."""
    kind = model.cfg.vq_kind
    yield kind in ("identity", "none"), "latent codes, but this one has none"
    apart = getattr(model.cfg, "alignment", "positions")
    yield apart != "positions", f"`alignment` 'positions', but has {apart!r}"
    added = getattr(getattr(model, "bottleneck", None), "adds_slices", False)
    yield added, "slices of product quantization, but its slices add up"
    for stage in ("latent_predictor", "parallel_decoder"):
        name = getattr(model.cfg, stage)
        yield name != "transformer", f"this package's `{stage}`, but has {name!r}"


def teacher_reasons(model: Any) -> Iterable[tuple[bool, str]]:
    """Yields what another Transformer may have or lack, and whether it does."""
    encoder: Any = getattr(model, "encoder", None)
    decoder: Any = getattr(model, "decoder", None)
    needed = ("layers", "embed_tokens", "embed_scale", "embed_positions")
    whole = all(hasattr(side, name) for side in (encoder, decoder) for name in needed)
    whole = whole and hasattr(decoder, "output_projection")
    yield not whole, "an encoder and a decoder of fairseq's Transformer"
    yield (
        any(getattr(decoder, name, None) is not None for name in PROJECTIONS),
        "a plain output layer, but has an adaptive or projected one",
    )
    yield (
        any(
            getattr(side, "layernorm_embedding", None) is not None
            for side in (encoder, decoder)
        ),
        "no layer normalisation of its embeddings, but has one",
    )
    widths = {side.embed_tokens.embedding_dim for side in (encoder, decoder)}
    yield len(widths) > 1, "encoder and decoder of one width"
    layers = [layer for side in (encoder, decoder) for layer in side.layers]
    others = {getattr(layer.activation_fn, "__name__", "") for layer in layers}
    yield others != {"relu"}, f"ReLU in its layers, but has {', '.join(sorted(others))}"
    yield (
        any(
            getattr(layer, name, None) is not None
            for layer in layers
            for name in SCALES
        )
        or any(getattr(layer, "cross_self_attention", False) for layer in layers),
        "plain layers, but has scaled ones or attention to source and target at once",
    )
    sources = [layer.encoder_attn for layer in decoder.layers]
    yield not all(sources), "a decoder whose layers all attend to the source"
    learned = {is_learned(side.embed_positions) for side in (encoder, decoder)}
    yield len(learned) > 1, "positions of one kind on both sides"


SCALES = ("attn_ln", "c_attn", "ffn_layernorm", "w_resid")  # of NormFormer
PROJECTIONS = ("adaptive_softmax", "project_in_dim", "project_out_dim")
