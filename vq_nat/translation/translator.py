"""Text in, text out: a trained model with its tokeniser and subword codes."""

import json
import threading
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import torch
from fairseq import checkpoint_utils
from fairseq.data import encoders
from fairseq.tasks.translation_lev import TranslationLevenshteinTask
from sacremoses import MosesPunctNormalizer

from ..compat import load_config, load_weights
from .exported import DESCRIPTION, ExportedModel
from .fairseq_nat import MendedLevenshteinTask
from .flow import device_of
from .task import DiscreteLatentTranslationConfig, DiscreteLatentTranslationTask

TEXT_FILE = "text.json"
PIECE = 128  # subwords; a longer sentence is translated in pieces
DECODING = (
    "code_search",
    "length_mode",
    "length_ratio",
    "min_length_ratio",
    "max_length_ratio",
    "refinement",
    "rescore",
    "temperature",
    "sampling_seed",
    "lenpen",
    "unnormalized",
    "max_len_a",
    "max_len_b",
    "retain_iter_history",
)


class TextCodec:
    """Raw sentences to subword indices and back.

    Args:
        folder: holds `text.json` and `bpe.codes` or `sentencepiece.model`.
        source: source dictionary.
        target: target dictionary.
    """

    def __init__(self, folder: Path, source: Any, target: Any) -> None:
        text = json.loads((folder / TEXT_FILE).read_text(encoding="utf-8"))
        languages = {k: text[k] for k in ("source_lang", "target_lang")}
        self.normalizer = MosesPunctNormalizer(
            languages["source_lang"], norm_quote_commas=False, norm_numbers=False
        )
        self.tokenizer = encoders.build_tokenizer(
            Namespace(tokenizer=text["tokenizer"], **languages)
        )
        subwords = {
            "bpe_codes": str(folder / "bpe.codes"),
            "sentencepiece_model": str(folder / "sentencepiece.model"),
        }
        self.bpe = encoders.build_bpe(Namespace(bpe=text["bpe"], **subwords))
        self.spaced = text["bpe"] == "sentencepiece"  # marks words where they begin
        self.source, self.target = source, target

    def encode(self, sentence: str) -> torch.Tensor:
        """Turns a raw sentence into source indices, end of sentence included."""
        words = self.tokenizer.encode(self.normalizer.normalize(sentence))
        tokens = self.source.encode_line(
            self.bpe.encode(words), add_if_not_exist=False, append_eos=True
        ).long()
        # "</s>" or "<pad>" as text are words that are not known, and not signs.
        signs = tokens[:-1] < self.source.nspecial
        tokens[:-1][signs] = self.source.unk()
        return tokens

    def pieces(self, tokens: torch.Tensor, size: int = PIECE) -> list[torch.Tensor]:
        """Cuts a sentence of more than `size` subwords, between words if it can.

        Every piece ends in an end of sentence; without words there is no piece.
        """
        words, found = tokens[:-1], []
        while len(words):
            end = len(words)
            if end >= size:
                ends = range(size - 1, size // 2, -1)
                end = next((i for i in ends if self._word_ends(words, i)), size - 1)
            found.append(torch.cat([words[:end], tokens[-1:]]))
            words = words[end:]
        return found

    def _word_ends(self, words: torch.Tensor, place: int) -> bool:
        """Tells whether a word ends before `place`."""
        before, after = (
            self.source[int(word)] for word in words[place - 1 : place + 1]
        )
        return after.startswith("▁") if self.spaced else not before.endswith("@@")

    def decode(self, tokens: torch.Tensor) -> str:
        """Turns target indices into a raw sentence, in one line."""
        subwords = self.target.string(tokens.int().cpu(), unk_string="⁇")
        text = self.tokenizer.decode(self.bpe.decode(subwords))
        return " ".join(text.splitlines())

    def subwords(self, tokens: torch.Tensor) -> list[str]:
        """Names the target indices."""
        return [self.target[int(token)] for token in tokens]


class Hypothesis(NamedTuple):
    """One translation of a sentence and how it came about."""

    text: str
    tokens: list[str]  # subwords, end of sentence included
    codes: list[list[int]]  # L × G; empty for a model without latents
    score: float  # log-probability (of fairseq's beam search: per word)
    rank_score: float = 0.0  # what the candidates were ranked by
    teacher_score: Optional[float] = None  # log-probability under the teacher
    passes: int = 0  # refinement passes until it stood still
    seconds: float = 0.0  # the sentence's part of its batch's time
    teacher_seconds: float = 0.0  # of these in the teacher


class CodeMeaning(NamedTuple):
    """One step of codes and what it tends to mean."""

    codes: list[int]  # one of each slice
    meanings: list[Optional[str]]  # the chunk it stood for most often, None if unseen


EMPTY = Hypothesis("", [], [], 0.0)


class Translator:
    """A trained model that translates raw text.

    It serves latent models and the autoregressive fairseq Transformers that teach them
    through the same path, so that their times compare. Several threads may read from
    one translator.

        translator = Translator.load("checkpoints/student")
        translator.translate(["A man rides a bike."])
        translator.translate(lines, candidates=4, passes=2)

    Args:
        model: a trained model.
        task: its task.
        codec: its text processing.
        generation: fairseq's decoding options and the task's, by name.
        teacher: rescores the candidates of a latent model.
    """

    def __init__(
        self,
        model: Any,
        task: Any,
        codec: TextCodec,
        generation: dict[str, Any],
        teacher: Any = None,
    ) -> None:
        self.model, self.task, self.codec, self.teacher = model, task, codec, teacher
        self.generation = generation
        self._local = threading.local()  # generators, which may hold a state
        self._generator(None, None)  # refuses wrong options at once

    @classmethod
    def load(
        cls,
        path: Union[str, Path],
        data: Union[str, Path, None] = None,
        device: str = "cpu",
        autocast: str = "none",
        beam: int = 1,
        passes: int = 0,
        candidates: int = 1,
        teacher: Union[str, Path, None] = None,
        **decoding: Any,
    ) -> "Translator":
        """Loads a checkpoint.

        Args:
            path: a checkpoint, a folder that holds `checkpoint_best.pt`, or one that
                `vq-nat export` wrote.
            data: folder with dictionaries, `bpe.codes` and `text.json`; by default
                that of the checkpoint, or the one it was trained on.
            device: "cpu", "cuda", ….
            autocast: see `--autocast`.
            beam: beam width of an autoregressive model.
            passes: refinement passes of a latent model.
            candidates: translations of a latent model among which the best is chosen.
            teacher: checkpoint of the autoregressive model that chooses.
            **decoding: those in `DECODING`, by the names of their flags.

        Raises:
            FileNotFoundError: if a checkpoint or the data folder is missing.
            ValueError: for options that do not exist or that the model cannot serve.
        """
        unknown = sorted(decoding.keys() - set(DECODING))
        if unknown:
            raise ValueError(
                f"decoding options must be among {', '.join(DECODING)}, "
                f"but one is {unknown[0]!r} instead."
            )
        if (Path(path) / DESCRIPTION).is_file():
            model, task, folder = open_exported(Path(path), device, autocast)
        else:
            model, task, folder = open_checkpoint(path, data, autocast)
            model = ready(model, device, beam)
        codec = TextCodec(folder, task.source_dictionary, task.target_dictionary)
        options = {
            "beam": beam,
            "iter_decode_max_iter": passes,
            "iter_decode_with_beam": candidates,
            "iter_decode_with_external_reranker": teacher is not None,
            **decoding,
        }
        judge = None if teacher is None else load_teacher(teacher, task, device)
        return cls(model, task, codec, options, judge)

    @property
    def parallel(self) -> bool:
        """Whether all words are written at once."""
        doors = ("lookup", "initialize_output_tokens")  # ours, fairseq's
        return any(hasattr(self.model, door) for door in doors)

    def translate(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: Optional[int] = None,
        passes: Optional[int] = None,
    ) -> list[str]:
        """Translates raw sentences; order and number are kept, empty stays empty.

        Args:
            sentences: any number of any length.
            batch_size: sentences that are translated together.
            candidates: how many to choose from; None = as loaded. Of an autoregressive
                model, the beam.
            passes: refinement passes; None = as loaded.
        """
        return [
            h.text for h in self.hypotheses(sentences, batch_size, candidates, passes)
        ]

    def stream(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: Optional[int] = None,
        passes: Optional[int] = None,
    ) -> Iterator[str]:
        """Translates sentences as they come, and reads `batch_size` of them ahead."""
        lines = iter(sentences)
        while batch := list(islice(lines, batch_size)):
            yield from self.translate(batch, batch_size, candidates, passes)

    def codes(
        self, sentences: Iterable[str], batch_size: int = 64
    ) -> list[list[list[int]]]:
        """Returns the codes of each sentence's translation: L lists of G codes."""
        return [h.codes for h in self.hypotheses(sentences, batch_size)]

    def explain(
        self,
        sentences: Iterable[str],
        inventory: Union[str, Path],
        batch_size: int = 64,
    ) -> list[list[CodeMeaning]]:
        """Returns the codes of each translation, and what each tends to mean.

        Args:
            sentences: raw text.
            inventory: the `codes.json` that `vq-nat codes` wrote for this model.
            batch_size: sentences that are translated together.
        """
        records = json.loads(Path(inventory).read_text(encoding="utf-8"))
        known = {(r["slice"], r["code"]): r["chunks"][0][0] for r in records}
        return [
            [
                CodeMeaning(step, [known.get(key) for key in enumerate(step)])
                for step in codes
            ]
            for codes in self.codes(sentences, batch_size)
        ]

    def hypotheses(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: Optional[int] = None,
        passes: Optional[int] = None,
    ) -> list[Hypothesis]:
        """Translates raw sentences and keeps tokens, codes and scores."""
        found = self.nbest(sentences, batch_size, candidates, passes)
        return [hypotheses[0] for hypotheses in found]

    def nbest(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: Optional[int] = None,
        passes: Optional[int] = None,
    ) -> list[list[Hypothesis]]:
        """Returns all different translations of each sentence, the best first.

        Those of a sentence that is translated in pieces are joined by their ranks.
        """
        generator = self._generator(candidates, passes)
        size = min(PIECE, self.task.max_positions()[0])
        rows: list[torch.Tensor] = []
        owners: list[range] = []  # the rows of each sentence
        for sentence in sentences:
            pieces = self.codec.pieces(self.codec.encode(sentence), size)
            owners.append(range(len(rows), len(rows) + len(pieces)))
            rows += pieces
        found: list[list[Hypothesis]] = [[EMPTY]] * len(rows)
        by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for batch in chunks(by_length, batch_size):
            of_batch = self._translate(generator, [rows[i] for i in batch])
            for i, hypotheses in zip(batch, of_batch):
                found[i] = hypotheses
        return [join([found[i] for i in pieces]) for pieces in owners]

    def _generator(self, candidates: Optional[int], passes: Optional[int]) -> Any:
        """Returns this thread's generator for some settings."""
        kept = self._local.__dict__.setdefault("generators", {})
        if (candidates, passes) not in kept:
            kept[candidates, passes] = self._build(candidates, passes)
        return kept[candidates, passes]

    def _build(self, candidates: Optional[int], passes: Optional[int]) -> Any:
        options = dict(self.generation)
        if candidates is not None:
            options["iter_decode_with_beam" if self.parallel else "beam"] = candidates
        if passes is not None:
            options["iter_decode_max_iter"] = passes
        self._refuse_unserved(options)
        if options.get("iter_decode_with_beam") == 1:
            options["iter_decode_with_external_reranker"] = False  # nothing to rank
        models = [self.model] if self.teacher is None else [self.model, self.teacher]
        return self.task.build_generator(models, Namespace(**options))

    def _refuse_unserved(self, options: dict[str, Any]) -> None:
        """Refuses what would silently do nothing.

        Raises:
            ValueError: naming the option.
        """
        beam = options.get("beam", 1)
        if self.parallel and beam != 1:
            raise ValueError(
                "`beam` must be 1 for a model that writes all words at once, "
                f"but is {beam} instead: use `candidates`."
            )
        if self.parallel:
            return
        passes = options.get("iter_decode_max_iter", 0)
        if passes:
            raise ValueError(
                "`passes` must be 0 for an autoregressive model, "
                f"but is {passes} instead."
            )
        candidates = options.get("iter_decode_with_beam", 1)
        if candidates != 1:
            raise ValueError(
                "`candidates` must be 1 for an autoregressive model, "
                f"but is {candidates} instead: use `beam`."
            )
        if self.teacher is not None:
            raise ValueError("`teacher` must be None for an autoregressive model.")

    def _translate(
        self, generator: Any, rows: list[torch.Tensor]
    ) -> list[list[Hypothesis]]:
        start = time.perf_counter()
        found = self._generate(generator, rows)
        read = [[self._read(h) for h in hypotheses] for hypotheses in found]
        seconds = (time.perf_counter() - start) / len(rows)
        return [[h._replace(seconds=seconds) for h in of_one] for of_one in read]

    def _generate(
        self, generator: Any, rows: list[torch.Tensor]
    ) -> list[list[dict[str, Any]]]:
        lengths = torch.tensor([len(row) for row in rows])
        dataset = self.task.build_dataset_for_inference(rows, lengths)
        sample = dataset.collater([dataset[i] for i in range(len(rows))])
        order = sample["id"].argsort()
        device = device_of(self.model)
        net_input = {
            name: value[order].to(device) if torch.is_tensor(value) else value
            for name, value in sample["net_input"].items()
        }
        return self.task.inference_step(
            generator, [self.model], {"net_input": net_input}
        )

    def _read(self, hypothesis: dict[str, Any]) -> Hypothesis:
        tokens, codes = hypothesis["tokens"], hypothesis.get("codes")
        score = float(hypothesis["score"])
        return Hypothesis(
            self.codec.decode(tokens),
            self.codec.subwords(tokens),
            [] if codes is None else codes.tolist(),
            score,
            float(hypothesis.get("rank_score", score)),
            hypothesis.get("teacher_score"),
            int(hypothesis.get("steps") or 0),
            teacher_seconds=hypothesis.get("teacher_seconds", 0.0),
        )


def join(pieces: list[list[Hypothesis]]) -> list[Hypothesis]:
    """Joins the translations of a sentence's pieces, the best with the best."""
    if not pieces:
        return [EMPTY]
    if len(pieces) == 1:
        return pieces[0]
    found = []
    for parts in zip(*pieces):
        scores = [part.teacher_score for part in parts]
        known = [score for score in scores if score is not None]
        found.append(
            Hypothesis(
                " ".join(part.text for part in parts if part.text),
                [token for part in parts for token in part.tokens],
                [code for part in parts for code in part.codes],
                sum(part.score for part in parts),
                sum(part.rank_score for part in parts),
                sum(known) if len(known) == len(parts) else None,
                max(part.passes for part in parts),
                sum(part.seconds for part in parts),
                sum(part.teacher_seconds for part in parts),
            )
        )
    return found


def checkpoint_path(path: Union[str, Path]) -> Path:
    """Returns a checkpoint, the best one of a folder."""
    path = Path(path)
    return path / "checkpoint_best.pt" if path.is_dir() else path


def open_checkpoint(
    path: Union[str, Path], data: Union[str, Path, None], autocast: str
) -> tuple[Any, Any, Path]:
    """Returns a checkpoint's model and task, and the folder of its text processing.

    Raises:
        FileNotFoundError: if one of them is missing.
    """
    checkpoint = checkpoint_path(path)
    folder = find_data(checkpoint, data)
    overrides = {"data": str(folder), "autocast": autocast, "eval_bleu": False}
    models, _, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(checkpoint)], arg_overrides=overrides
    )
    return models[0], mended(task), folder


def open_exported(folder: Path, device: str, autocast: str) -> tuple[Any, Any, Path]:
    """Returns an exported model, a task for it, and its folder.

    Raises:
        ValueError: for another device or number format than those of the export.
    """
    for name, value, only in (
        ("device", device, "cpu"),
        ("autocast", autocast, "none"),
    ):
        if value not in (only, "auto"):
            raise ValueError(
                f"`{name}` must be {only!r} for an exported model, but is {value!r} "
                "instead."
            )
    model = ExportedModel(folder)
    source, target = model.languages
    config = DiscreteLatentTranslationConfig(
        data=str(folder), source_lang=source, target_lang=target
    )
    return model, DiscreteLatentTranslationTask.setup_task(config), folder


def ready(model: Any, device: str, beam: int = 1) -> Any:
    """Prepares a model as fairseq-generate does, to be as fast here as there."""
    model = model.to(device)
    model.eval()
    model.make_generation_fast_(beamable_mm_beam_size=beam, need_attn=False)
    return model


def mended(task: Any) -> Any:
    """Returns the task with the generator that serves fairseq's parallel models."""
    if type(task) is TranslationLevenshteinTask:
        return MendedLevenshteinTask(task.cfg, task.src_dict, task.tgt_dict)
    return task


def load_teacher(path: Union[str, Path], task: Any, device: str) -> Any:
    """Loads an autoregressive model that shares the dictionaries of a task.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if its dictionary has another size.
    """
    checkpoint, size = checkpoint_path(path), len(task.target_dictionary)
    embedding = load_weights(checkpoint).get("decoder.embed_tokens.weight")
    if embedding is not None and len(embedding) != size:
        raise ValueError(
            f"the teacher's dictionary must hold {size} symbols, as the student's, "
            f"but that of {checkpoint} holds {len(embedding)} instead."
        )
    models, _ = checkpoint_utils.load_model_ensemble([str(checkpoint)], task=task)
    return ready(models[0], device)


def find_data(checkpoint: Path, data: Union[str, Path, None] = None) -> Path:
    """Finds the folder with dictionaries and text processing of a checkpoint.

    Raises:
        FileNotFoundError: if there is none.
    """
    trained_on = Path(load_config(checkpoint)["task"]["data"])
    candidates = [Path(data)] if data else [checkpoint.parent, trained_on]
    for folder in candidates:
        if (folder / TEXT_FILE).is_file():
            return folder
    places = " nor ".join(str(folder) for folder in candidates)
    raise FileNotFoundError(
        f"dictionaries, bpe.codes and {TEXT_FILE} must stand in the checkpoint's "
        f"folder or the data folder, but {places} has no {TEXT_FILE}."
    )


def chunks(items: list[int], size: int) -> Iterator[list[int]]:
    """Yields `size` items at a time."""
    return (items[i : i + size] for i in range(0, len(items), size))
