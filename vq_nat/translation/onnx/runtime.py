"""A model that was exported to ONNX, behind the doors of the model it came from.

`encode`, `lookup`, `decode` and the predictor take and return the same records, so that
the generator needs no change. ONNX Runtime computes them: at batch size 1 its operators
take a fraction of the time of eager PyTorch's.
"""

import importlib
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn, Optional, TypeVar

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...files import BadFile, check_hashes, read_json, reading, sentence
from ..decoding.limits import NEVER, CodeBounds
from ..flow import (
    DecodedWords,
    EncodedSource,
    LatentCodes,
    Latents,
    align_left,
    sum_code_scores,
    word_mask,
)

DESCRIPTION = "export.json"
GRAPHS = ("encode", "step", "decode")
SIZES = (
    "pad",
    "width",
    "heads",
    "predictor_layers",
    "decoder_layers",
    "slices",
    "codes",
    "max_latents",
)
FORMAT = 4  # of the folder; raised when the graphs or their description change
WHAT = "the description of a model that `vq-nat export` wrote"
GRAPH = "a graph that `vq-nat export` wrote"
MOST_HALVINGS = 16
MOST = 2**20  # of every size there is
Array = NDArray[Any]
Item = TypeVar("Item")


class Sessions:
    """Runs the graphs of a folder, with as many threads as torch has at the time.

    Args:
        folder: holds `encode.onnx`, `step.onnx` and `decode.onnx`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.threads = folder, 0
        self.sessions: dict[str, Any] = {}

    def run(self, graph: str, **inputs: Tensor) -> list[Tensor]:
        """Runs a graph on named tensors."""
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        return [torch.from_numpy(array) for array in self.run_arrays(graph, arrays)]

    def run_arrays(self, graph: str, inputs: dict[str, Array]) -> list[Array]:
        """Runs a graph on named arrays."""
        if self.threads != torch.get_num_threads():
            self._open(torch.get_num_threads())
        try:
            return self.sessions[graph].run(None, inputs)
        except Exception as error:  # of ONNX Runtime's own types
            path = self.folder / f"{graph}.onnx"
            raise BadFile(sentence(path, GRAPH, error)) from error

    def _open(self, threads: int) -> None:
        runtime = require("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.sessions = {
            name: self._session(runtime, self.folder / f"{name}.onnx", options)
            for name in GRAPHS
        }
        self.threads = threads

    @staticmethod
    def _session(runtime: Any, path: Path, options: Any) -> Any:
        """Opens one graph."""
        with reading(path, GRAPH):
            session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        return session


class ExportedState(NamedTuple):
    """What the predictor keeps from one step to the next, see `StepGraph`."""

    past: list[Tensor]
    memory: list[Tensor]
    mask: Tensor
    position: int

    def take(self, rows: Tensor, source: bool) -> "ExportedState":
        """Takes rows of the batch, see `PredictorState.take`."""
        state = self._replace(past=[t.index_select(0, rows) for t in self.past])
        if not source:
            return state
        memory = [t.index_select(0, rows) for t in self.memory]
        return state._replace(memory=memory, mask=self.mask.index_select(0, rows))


class ExportedPredictor:
    """What the search asks of a latent predictor.

    Args:
        sessions: the graphs.
        sizes: the exported model's description.
    """

    def __init__(self, sessions: Sessions, sizes: dict[str, Any]) -> None:
        self.sessions, self.layers = sessions, sizes["predictor_layers"]
        self.slices, self.codes = sizes["slices"], sizes["codes"]
        self.heads, self.max_latents = sizes["heads"], sizes["max_latents"]

    @property
    def end(self) -> int:
        """The end-of-codes symbol."""
        return self.codes

    def start(self, source: EncodedSource) -> ExportedState:
        """Prepares decoding."""
        own = 2 * self.layers * self.heads
        memory = per_layer(source.states[:, :own], self.heads)
        past = [kept[:, :, :0].contiguous() for kept in memory]
        return ExportedState(past, memory, source.mask, 0)

    def step(
        self, state: ExportedState, previous: Optional[Tensor]
    ) -> tuple[Tensor, ExportedState]:
        """Predicts one more code, see `LatentPredictor.step`; log-probabilities."""
        if previous is None:
            previous = torch.zeros(len(state.mask), self.slices, dtype=torch.long)
        logp, *past = self.sessions.run(
            "step",
            previous=previous,
            position=torch.tensor([state.position]),
            mask=state.mask,
            **numbered("past", state.past),
            **numbered("memory", state.memory),
        )
        return logp, state._replace(past=past, position=state.position + 1)

    def log_probs(self, logits: Tensor) -> Tensor:
        """Returns what the graph has normalised. Shape: (…, G, K + 1)."""
        return logits

    def greedy(self, source: EncodedSource, bounds: CodeBounds) -> LatentCodes:
        """Finds what `search` finds greedily.

        Written for arrays: at batch size 1, the search's own operations on tensors take
        longer than the graph.
        """
        state, end = self.start(source), self.end
        fixed = {"mask": state.mask, **numbered("memory", state.memory)}
        arrays = {name: tensor.numpy() for name, tensor in fixed.items()}
        past = [tensor.numpy() for tensor in state.past]
        least, most = bounds.least.numpy(), bounds.most.numpy()
        late = least.max()
        previous = numpy.zeros((len(most), self.slices), dtype=numpy.int64)
        running = numpy.ones(len(most), dtype=bool)
        score = numpy.zeros(len(most), dtype=numpy.float32)
        codes, masks = [], []
        for position in range(most.max() + bounds.ends):
            arrays |= numbered("past", past)
            arrays |= {"previous": previous, "position": numpy.array([position])}
            logp, *past = self.sessions.run_arrays("step", arrays)
            if position < late or not bounds.ends:
                logp[(position < least) | (not bounds.ends), 0, end] = NEVER
            symbol = logp.argmax(axis=-1)
            ended = (position >= most) | (symbol[:, 0] == end)
            gain = logp.max(axis=-1).sum(axis=-1)
            last = logp[:, 0, end] if bounds.ends else 0
            score += numpy.where(ended, last, gain) * running
            running = running & ~ended
            if not running.any():
                break
            previous = symbol * running[:, None]
            codes.append(previous)
            masks.append(running)
        return LatentCodes(
            torch.from_numpy(numpy.stack(codes, axis=1)),
            torch.from_numpy(numpy.stack(masks, axis=1)),
            torch.from_numpy(score),
        )


class ExportedModel(nn.Module):
    """The four doors of decoding in front of three ONNX graphs.

    The encoded source has keys and values for states: (B, 2 · N · H, S, C / H), see
    `EncodeGraph`; latents are codes that the last graph looks up.

    Args:
        folder: what `vq-nat export` wrote.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is of another version of vq-nat, or not as it was written.
        ImportError: if onnxruntime is missing.
    """

    device = torch.device("cpu")

    def __init__(self, folder: Path) -> None:
        super().__init__()
        sizes = read_description(folder)
        require("onnxruntime")
        self.sizes, self.cfg = sizes, Namespace(**sizes["options"])
        self.pad, self.chunk = sizes["pad"], 2**self.cfg.compression_steps
        sessions = Sessions(folder)
        self.sessions, self.predictor = sessions, ExportedPredictor(sessions, sizes)

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target."""
        source, target = self.sizes["languages"]
        return source, target

    @property
    def sees_words(self) -> bool:
        """Whether training showed words to the decoder until its end."""
        return self.cfg.shown_sentences > 0

    @property
    def predicts_codes(self) -> bool:
        """A model without codes is not exported."""
        return True

    def max_positions(self) -> tuple[int, int]:
        """Longest source and target, in subword tokens."""
        source, target = self.sizes["max_positions"]
        return source, target

    def encode(self, src_tokens: Tensor) -> EncodedSource:
        """Encodes source words. Shape: (B, S), padded on either side."""
        tokens = align_left(src_tokens, self.pad)
        (memory,) = self.sessions.run("encode", tokens=tokens)
        return EncodedSource(memory, tokens.ne(self.pad))

    def lookup(self, codes: LatentCodes) -> Latents:
        """Hands codes on to be looked up in `decode`. Shape: (B, L, G)."""
        return Latents(codes.codes, codes.mask)

    def decode(
        self,
        latents: Latents,
        source: EncodedSource,
        words: Optional[Tensor] = None,
        shown: Optional[Tensor] = None,
    ) -> DecodedWords:
        """Predicts every word at once, see `VQEMTransformer.decode`."""
        mask = word_mask(latents.mask, self.chunk)
        if words is None or shown is None:
            words, shown = mask.new_zeros(mask.shape).long(), torch.zeros_like(mask)
        first = 2 * self.predictor.layers * self.predictor.heads
        memory = per_layer(source.states[:, first:], self.predictor.heads)
        (logits,) = self.sessions.run(
            "decode",
            codes=latents.states,
            code_mask=latents.mask,
            mask=source.mask,
            words=words,
            shown=shown,
            **numbered("memory", memory),
        )
        return DecodedWords(logits, mask)

    def code_log_probs(self, codes: Tensor, source: EncodedSource) -> Tensor:
        """Computes log p of every code after those before it, step by step.

        Shape: (B, L, G) → (B, L + 1, G, K + 1).
        """
        state, log_probs = self.predictor.start(source), []
        for previous in (None, *codes.unbind(dim=1)):
            logp, state = self.predictor.step(state, previous)
            log_probs.append(logp)
        return torch.stack(log_probs, dim=1)

    def score_codes(self, codes: LatentCodes, source: EncodedSource) -> Tensor:
        """Computes log p(codes, end of codes | source). Shape: (B,)."""
        logp = self.code_log_probs(codes.codes, source)
        return sum_code_scores(logp, codes, self.predictor.end)

    def true_codes(self, target: Tensor, source: EncodedSource) -> NoReturn:
        """Is not exported, see `true_latents`."""
        refuse_compressor()

    def true_latents(self, target: Tensor, source: EncodedSource) -> NoReturn:
        """Is not exported: the compressor serves training and diagnosis.

        Raises:
            ValueError: always.
        """
        refuse_compressor()


def refuse_compressor() -> NoReturn:
    """Refuses what only the compressor could do.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        "an exported model has no compressor: `refinement` must be 'mask', and "
        "codes must be predicted."
    )


def read_description(folder: Path) -> dict[str, Any]:
    """Returns what an exported folder says of itself, after a look at all its files.

    Raises:
        FileNotFoundError: if it says nothing.
        BadFile: if a file is missing or another, or a size is none.
        ValueError: if it is of another version of vq-nat.
    """
    path = folder / DESCRIPTION
    sizes: dict[str, Any] = read_json(path, WHAT)
    if sizes.get("format") != FORMAT:
        raise ValueError(
            f"{folder} must have graphs of format {FORMAT}, but has format "
            f"{sizes.get('format')} instead: export the checkpoint again."
        )
    with reading(path, WHAT):
        known = sizes["sha256"]
        languages = [str(language) for language in sizes["languages"]]
        parts = [f"{name}.onnx" for name in GRAPHS]
        parts += [f"dict.{language}.txt" for language in languages]
        if len(languages) != 2 or not {*parts} <= known.keys():
            raise ValueError("it does not name all parts of a model")
        for name in SIZES:
            if not 0 <= int(sizes[name]) <= MOST:
                raise ValueError(f"`{name}` is {sizes[name]}")
        longest = [int(most) for most in sizes["max_positions"]]
        if len(longest) != 2 or not all(2 <= most <= MOST for most in longest):
            raise ValueError(f"`max_positions` is {sizes['max_positions']}")
        sizes["max_positions"] = longest
        if not 0 <= sizes["options"]["compression_steps"] <= MOST_HALVINGS:
            raise ValueError("`compression_steps` is no number of halvings")
    check_hashes(folder, known, path)
    return sizes


def per_layer(memory: Tensor, heads: int) -> list[Tensor]:
    """Returns keys, then values, of each layer, each (B, H, S, C / H).

    Shape: memory (B, 2 · N · H, S, C / H).
    """
    return [part.contiguous() for part in memory.split(heads, dim=1)]


def numbered(name: str, items: Sequence[Item]) -> dict[str, Item]:
    """Names the inputs of the layers."""
    return {f"{name}{i}": item for i, item in enumerate(items)}


def require(name: str) -> ModuleType:
    """Imports a module of the extra `onnx`; ONNX Runtime without its telemetry.

    By default it writes an identifier of the machine and a database of events into the
    user's cache, and sends them to Microsoft, as soon as it is imported. If
    `ORT_DISABLE_TELEMETRY` is set already, it keeps its value.

    Raises:
        ImportError: with a sentence that says how to get it.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name.partition('.')[0]} must be installed to export or run ONNX graphs, "
            "but is not; `pip install -e '.[onnx]'` does so."
        ) from error
