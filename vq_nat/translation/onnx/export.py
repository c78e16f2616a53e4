"""Writes a trained model as three ONNX graphs, with all that plain text needs."""

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Optional, Union

import torch
from fairseq.data import Dictionary
from torch import nn

from ...bottleneck import BottleneckConfig
from ...fairseq_side.checkpoints import checkpoint_path
from ...files import hashes, new_folder
from ...text.copying import write_texts
from ..binding import LENGTH, trained_source
from ..config import TRANSFORMER
from ..decoding.search import EndsInACode
from ..flow import is_aligned
from ..model import VQEMTransformer
from .graphs import Graph, graphs_of
from .quantize import quantize
from .runtime import DESCRIPTION, FORMAT, require

OPSET = 17  # the first with layer normalisation


def export(
    model: nn.Module,
    dictionaries: dict[str, Dictionary],
    data: Path,
    out: Path,
    int8: bool = False,
    trained_source: int | None = None,
    about: Optional[Mapping[str, Any]] = None,
    card: Optional[Callable[[Path], object]] = None,
) -> None:
    """Writes a folder that `vq_nat.load` reads; it appears when it is complete.

    Args:
        model: a latent model.
        dictionaries: source and target, by language.
        data: folder with `text.json` and the subword codes.
        out: the folder, which must not exist yet.
        int8: quantise the weights of matrix products to 8 bits, and their inputs while
            they run, each row by itself.
        trained_source: how long the sources of its training were.
        about: what else the description says, for readers.
        card: writes a page for readers into the folder.

    Raises:
        ValueError: for a model without learned codes, or if `out` exists.
        ImportError: if onnx or onnxruntime is missing.
    """
    latent = served(model)
    require("onnx")
    with new_folder(out) as folder:
        latent.float().cpu()
        latent.eval()  # returns nothing after fairseq's make_generation_fast_
        for part, graph in graphs_of(latent).items():
            write_graph(graph, folder / f"{part}.onnx", int8)
        write_texts(dictionaries, data, folder)
        description = describe(latent, list(dictionaries), int8)
        description[LENGTH] = trained_source
        description["about"] = dict(about or {})
        description["sha256"] = hashes(folder)  # of all that is there by now
        text = json.dumps(description, indent=1)
        (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        if card is not None:
            card(folder)


def served(model: nn.Module) -> VQEMTransformer:
    """Returns the model if its stages can be written as graphs.

    Raises:
        ValueError: saying what it must be.
    """
    if not isinstance(model, VQEMTransformer) or not model.predicts_codes:
        raise ValueError("only models with latent codes can be exported.")
    if isinstance(model.predictor, EndsInACode):
        raise ValueError(
            "`vq_kind` must be one of learned codes to be exported as ONNX graphs, but "
            "is 'words' instead."
        )
    if is_aligned(model):
        raise ValueError(
            "`alignment` must be 'positions' to be exported as ONNX graphs, but is "
            f"{model.cfg.alignment!r} instead."
        )
    if model.bottleneck.adds_slices:
        raise ValueError(
            "`vq_slicing` must be 'product' to be exported as ONNX graphs, but is "
            "'residual' instead."
        )
    for stage in ("latent_predictor", "parallel_decoder"):
        if getattr(model.cfg, stage) != TRANSFORMER:
            raise ValueError(
                f"`{stage}` must be {TRANSFORMER!r} to be exported as ONNX graphs, but "
                f"is {getattr(model.cfg, stage)!r} instead."
            )
    return model


def describe(
    model: VQEMTransformer, languages: list[str], int8: bool
) -> dict[str, Any]:
    """Returns what the exported model must know of itself."""
    options = {field.name for field in fields(BottleneckConfig)}
    options |= {"compression_steps", "shown_sentences"}
    return {
        "format": FORMAT,
        "languages": languages,
        "pad": model.pad,
        "width": model.cfg.encoder_embed_dim,
        "heads": model.cfg.encoder_attention_heads,
        "predictor_layers": len(model.predictor.layers),
        "decoder_layers": len(model.decoder.layers),
        "slices": model.predictor.slices,
        "codes": model.predictor.codes,
        "max_latents": model.predictor.max_latents,
        "max_positions": list(model.max_positions()),
        "parameters": sum(p.numel() for p in model.parameters()),
        "dtype": "int8" if int8 else "float32",
        "options": {name: getattr(model.cfg, name) for name in sorted(options)},
    }


def write_graph(graph: Graph, path: Path, int8: bool) -> None:
    """Writes one graph."""
    with warnings.catch_warnings(), quiet_warnings_of_cpp():
        # Of sizes that become constants, none of which depends on the input, and of
        # an exporter that needs no further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.module.eval(),
            arguments(graph),
            str(path),
            input_names=list(graph.inputs),
            output_names=graph.outputs,
            dynamic_axes=graph.axes,
            opset_version=OPSET,
            dynamo=False,
        )
    if int8:
        quantize(path)


@contextmanager
def quiet_warnings_of_cpp() -> Iterator[None]:
    """Silences standard error, where the exporter writes past all filters of warnings.

    For every operator outside the standard it warns that the shape of the output is
    unknown; no operator here needs that shape.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def arguments(graph: Graph) -> tuple[Any, ...]:
    """Returns the inputs by position, numbered ones together as a list."""
    inputs: dict[str, Any] = {}
    for name, tensor in graph.inputs.items():
        if name[-1].isdigit():
            inputs.setdefault(name.rstrip("0123456789"), []).append(tensor)
        else:
            inputs[name] = tensor
    return tuple(inputs.values())


def export_checkpoint(
    path: Union[str, Path],
    out: Union[str, Path],
    data: Union[str, Path, None] = None,
    int8: bool = False,
    row: Union[str, Path, None] = None,
    licence: Optional[str] = None,
) -> None:
    """Exports a checkpoint, see `export`; row and licence as in `about.about_model`."""
    from ..about import about_model
    from ..loading import find_data
    from ..pack import card_of, dictionaries_of
    from ..translator import Translator

    translator, checkpoint = Translator.load(path, data=data), checkpoint_path(path)
    about = about_model(checkpoint, translator.model, row, licence)
    dictionaries = dictionaries_of(translator.task)
    card = card_of(checkpoint, about, list(dictionaries), DESCRIPTION)
    place = (find_data(checkpoint, data), Path(out))
    length = trained_source(translator.task)
    export(translator.model, dictionaries, *place, int8, length, about, card)
