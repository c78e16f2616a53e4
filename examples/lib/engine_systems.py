"""Owns the systems that are compared: models on engines, from ids to ids.

All are made to write T words. Autoregressive models take T + 1 steps, the last of them
for the end of sentence, on every engine; latent ones predict as many codes as T words
and their end need, and the end of codes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from examples.lib.engine_models import (
    LONGEST,
    ShortList,
    Size,
    build_autoregressive,
    build_latent,
    dictionary_of,
    is_latent,
)
from vq_nat.engine import engine
from vq_nat.engine.packing import write_tensors
from vq_nat.engine.weights import describe, tensors_of
from vq_nat.translation.ctranslate2 import import_ctranslate2
from vq_nat.translation.decoding.generator import IterativeLatentGenerator
from vq_nat.translation.decoding.lengths import LengthRule
from vq_nat.writing import write_json

Sentences = list[list[int]]
Call = Callable[[], list[int]]  # returns how many words each sentence has
OURS, CTRANSLATE2, ONNX, TORCH = "vq-nat", "CTranslate2", "ONNX", "PyTorch"
ENGINES = (OURS, CTRANSLATE2, ONNX, TORCH)
BEAM = 4
LANGUAGES = ("en", "de")


class Kind(NamedTuple):
    """What makes a system."""

    engine: str
    model: str  # "VQ", "words 6+1+2", or layers such as "6+1"
    number_format: str = "int8"
    beam: int = 1
    shortlist: bool = False
    workers: bool = False  # CTranslate2: sentences side by side, not parts of products

    @property
    def latent(self) -> bool:
        """Whether the model writes in parallel."""
        return is_latent(self.model)

    @property
    def name(self) -> str:
        """For readers."""
        parts = [self.model, self.number_format]
        parts += [f"beam {self.beam}"] * (self.beam > 1)
        parts += ["shortlist"] * self.shortlist + ["workers"] * self.workers
        return f"{self.engine}, {', '.join(parts)}"


def kinds_of(size: Size, engines: tuple[str, ...] = ENGINES) -> list[Kind]:
    """Returns all systems of a size, our latent models first."""
    even, deep = f"{size.layers}+{size.layers}", f"{size.deep}+1"
    kinds = [Kind(OURS, "VQ"), Kind(OURS, "words"), Kind(OURS, "VQ", shortlist=True)]
    kinds += [Kind(OURS, size.latent("VQ")), Kind(OURS, size.latent("words"))]
    some = ("words", size.latent("VQ"), size.latent("words"))
    kinds += [Kind(OURS, model, shortlist=True) for model in some]
    kinds += [Kind(OURS, "VQ", "float32"), Kind(OURS, "words", "float32")]
    for name in (OURS, CTRANSLATE2):
        for model in (even, deep):
            kinds += [Kind(name, model), Kind(name, model, beam=BEAM)]
            kinds += [Kind(name, model, shortlist=True), Kind(name, model, "float32")]
    kinds += [Kind(CTRANSLATE2, model, workers=True) for model in (even, deep)]
    kinds += [Kind(ONNX, "VQ"), Kind(ONNX, "VQ", "float32")]
    kinds += [Kind(TORCH, "VQ", "float32"), Kind(TORCH, even, "float32")]
    return [kind for kind in kinds if kind.engine in engines]


class Workshop:
    """Builds models once, and opens them on engines.

    Args:
        size: of all models.
        folder: for files.
    """

    def __init__(self, size: Size, folder: Path) -> None:
        self.size, self.folder = size, folder
        self.models: dict[str, nn.Module] = {}

    def __call__(self, kind: Kind) -> Runner:
        """Opens a system."""
        runner: Runner = RUNNERS[kind.engine](self, kind)
        return runner

    @cached_property
    def shortlist(self) -> ShortList:
        """The one shortlist of all."""
        return ShortList(self.size)

    @cached_property
    def lexicon(self) -> Any:
        """The shortlist as the engine wants it."""
        return self.shortlist.lexicon()

    @cached_property
    def dictionary(self) -> Any:
        """The joint dictionary."""
        return dictionary_of(self.size)

    def model(self, name: str) -> Any:
        """Returns a model of PyTorch."""
        if name not in self.models:
            self.models[name] = self._build(name)
        return self.models[name]

    def _build(self, name: str) -> nn.Module:
        if is_latent(name):
            return build_latent(self.size, name)
        encoder, decoder = map(int, name.split("+"))
        return build_autoregressive(self.size, encoder=encoder, decoder=decoder)

    def file(self, name: str, write: Callable[[Path], object]) -> Path:
        """Returns a file or folder, written once."""
        path = self.folder / name
        if not path.exists():
            write(path)
        return path


class Runner:
    """A system that is open.

    Args:
        workshop: where models come from.
        kind: what it is.
    """

    def __init__(self, workshop: Workshop, kind: Kind) -> None:
        self.workshop, self.kind = workshop, kind
        self.size, self.dictionary = workshop.size, workshop.dictionary

    def prepare(self, sources: Sentences, *, words: int, threads: int) -> Call:
        """Returns the call that is timed: all sentences, each to so many words."""
        raise NotImplementedError


class OursRunner(Runner):
    """A model in the engine."""

    def __init__(self, workshop: Workshop, kind: Kind) -> None:
        super().__init__(workshop, kind)
        model = workshop.model(kind.model)
        path = workshop.file(
            f"{kind.model}-{kind.number_format}.safetensors",
            lambda path: write_tensors(path, tensors_of(model, kind.number_format)),
        )
        both = dict.fromkeys(LANGUAGES, self.dictionary)
        self.description = describe(model, both)
        self.model = engine().Model(str(path), self.description)
        self.lexicon = workshop.lexicon if kind.shortlist else None

    def options(self, *, words: int, threads: int) -> Any:
        """Returns the options that give so many words."""
        options = engine().Options()
        options.search = "greedy" if self.kind.beam == 1 else "beam"
        options.width, options.threads = self.kind.beam, threads
        options.min_length, options.max_len_b = words, words + self.kind.latent
        options.want_scores = self.kind.beam > 1
        return options

    def prepare(self, sources: Sentences, *, words: int, threads: int) -> Call:
        """Returns the call that is timed."""
        options = self.options(words=words, threads=threads)

        def call() -> list[int]:
            outputs = self.model.translate(sources, options, self.lexicon)
            return [len(one[0].tokens) - 1 for one in outputs]

        return call

    def stages(self, sources: Sentences, words: int) -> list[float]:
        """Returns the seconds of encoding, codes, words, vocabulary, and the rest."""
        options = self.options(words=words, threads=1)
        return list(self.model.stages(sources, options, self.lexicon))


class CTranslate2Runner(Runner):
    """The same autoregressive model on CTranslate2."""

    def prepare(self, sources: Sentences, *, words: int, threads: int) -> Call:
        """Returns the call that is timed."""
        translator = self._open(threads)
        symbols = self.dictionary.symbols
        rows = [[symbols[token] for token in row[:-1]] for row in sources]
        workers = threads if self.kind.workers else 1
        translate = partial(
            translator.translate_batch,
            rows,
            beam_size=self.kind.beam,
            min_decoding_length=words + 1,
            max_decoding_length=words + 1,
            max_batch_size=-(-len(rows) // workers),
            disable_unk=True,
            use_vmap=self.kind.shortlist,
        )
        return lambda: [len(one.hypotheses[0]) - 1 for one in translate()]

    def _open(self, threads: int) -> Any:
        module, kind = import_ctranslate2(), self.kind
        name = f"ctranslate2-{kind.model}{'-shortlist' * kind.shortlist}"
        folder = self.workshop.file(name, self._convert)
        workers = threads if kind.workers else 1
        return module.Translator(
            str(folder),
            compute_type=kind.number_format,
            inter_threads=workers,
            intra_threads=threads // workers,
        )

    def _convert(self, folder: Path) -> None:
        words = None
        if self.kind.shortlist:
            path = folder.with_suffix(".vmap")
            words = str(self.workshop.shortlist.write_map(path))
        model = self.workshop.model(self.kind.model)
        converter_of(model, self.dictionary).convert(str(folder), vmap=words)


def converter_of(model: Any, dictionary: Any) -> Any:
    """Returns CTranslate2's converter of a Transformer of fairseq in memory."""
    import_ctranslate2()
    from ctranslate2.converters import fairseq
    from ctranslate2.converters.converter import Converter
    from ctranslate2.specs import TransformerSpec

    class InMemory(Converter):
        """What its converter of files does behind the reading of them."""

        def _load(self) -> Any:
            layers = (len(model.encoder.layers), len(model.decoder.layers))
            heads = model.encoder.layers[0].self_attn.num_heads
            spec = TransformerSpec.from_config(layers, heads, pre_norm=True)
            with torch.no_grad():
                fairseq.set_transformer_encoder(spec.encoder, model.encoder)
                fairseq.set_transformer_decoder(spec.decoder, model.decoder)
            words = fairseq._get_vocab(dictionary)
            spec.register_source_vocabulary(words)
            spec.register_target_vocabulary(words)
            spec.config.decoder_start_token = spec.config.eos_token
            spec.config.add_source_eos = True
            return spec

    return InMemory()


class LatentRunner(Runner):
    """A latent model behind the generator of PyTorch's."""

    def open(self) -> Any:
        """Returns the model."""
        return self.workshop.model(self.kind.model)

    def prepare(self, sources: Sentences, *, words: int, threads: int) -> Call:
        """Returns the call that is timed; torch's threads are set by the caller."""
        rule = LengthRule(b=words + 1, shortest=words)
        generator = IterativeLatentGenerator(self.dictionary, lengths=rule)
        model, sample = self.open(), sample_of(sources)

        def call() -> list[int]:
            outputs = generator.generate([model], sample)
            return [len(one[0].tokens) - 1 for one in outputs]

        return call


class OnnxRunner(LatentRunner):
    """A latent model as ONNX graphs."""

    def open(self) -> Any:
        """Returns the model."""
        from vq_nat.translation.onnx.runtime import ExportedModel

        name = f"onnx-{self.kind.model}-{self.kind.number_format}"
        return ExportedModel(self.workshop.file(name, self._export))

    def _export(self, folder: Path) -> None:
        from vq_nat.translation.onnx.export import export

        text = self.workshop.folder / "text"
        text.mkdir(exist_ok=True)
        source, target = LANGUAGES
        said = {"tokenizer": "space", "bpe": "subword_nmt"}  # no text is ever read
        said |= {"source_lang": source, "target_lang": target}
        write_json(said, text / "text.json")
        (text / "bpe.codes").write_text("#version: 0.2\na b</w>\n")
        both = dict.fromkeys(LANGUAGES, self.dictionary)
        model = self.workshop.model(self.kind.model)
        export(model, both, text, folder, int8=self.kind.number_format == "int8")


class TorchRunner(LatentRunner):
    """Any model in PyTorch."""

    def prepare(self, sources: Sentences, *, words: int, threads: int) -> Call:
        """Returns the call that is timed."""
        if self.kind.latent:
            return super().prepare(sources, words=words, threads=threads)
        from fairseq.sequence_generator import SequenceGenerator

        generator = SequenceGenerator(
            *([self.open()], self.dictionary),
            beam_size=self.kind.beam,
            min_len=words,
            max_len_b=words,
            max_len=LONGEST,
        )
        sample = sample_of(sources)

        def call() -> list[int]:
            with torch.no_grad():
                outputs = generator.generate([self.open()], sample)
            return [len(one[0]["tokens"]) - 1 for one in outputs]

        return call


def sample_of(sources: Sentences) -> dict[str, Any]:
    """Returns a batch as fairseq hands it over; all sentences are of one length."""
    tokens = torch.tensor(sources)
    lengths = torch.tensor([len(row) for row in sources])
    return {"net_input": {"src_tokens": tokens, "src_lengths": lengths}}


RUNNERS: dict[str, type[Runner]] = {
    OURS: OursRunner,
    CTRANSLATE2: CTranslate2Runner,
    ONNX: OnnxRunner,
    TORCH: TorchRunner,
}
