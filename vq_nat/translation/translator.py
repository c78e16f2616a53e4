"""Text in, text out: a trained model with its tokeniser and subword codes."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import torch
from fairseq.data.data_utils import collate_tokens

from ..files import read_json, reading
from .codec import PIECE, TextCodec
from .decoding.build import build_generator
from .decoding.flags import write_flags
from .decoding.generator import IterativeLatentGenerator
from .decoding.options import (
    AUTOREGRESSIVE,
    LATENT,
    PARALLEL,
    DecodingOptions,
    options_from,
    refuse_others,
)
from .fairseq_nat import candidate_of
from .flow import Candidate, device_of, is_latent
from .loading import load_teacher, open_model


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
    history: tuple[str, ...] = ()  # the text of every pass, if it is kept


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
        options: how it decodes.
        teacher: rescores the candidates, if `options` name one.
    """

    def __init__(
        self,
        model: Any,
        task: Any,
        codec: TextCodec,
        options: DecodingOptions,
        teacher: Any = None,
    ) -> None:
        self.model, self.task, self.codec, self.teacher = model, task, codec, teacher
        self.options = options
        self._local = threading.local()  # generators, which may hold a state
        self._generator(None, None)  # refuses wrong options at once

    @classmethod
    def load(
        cls,
        path: Union[str, Path],
        data: Union[str, Path, None] = None,
        device: str = "cpu",
        **decoding: Any,
    ) -> "Translator":
        """Loads a checkpoint.

        Args:
            path: a checkpoint, a folder that holds `checkpoint_best.pt`, or one that
                `vq-nat export` wrote.
            data: folder with dictionaries, `bpe.codes` and `text.json`; by default
                that of the checkpoint, or the one it was trained on.
            device: "cpu", "cuda", ….
            **decoding: the fields of `DecodingOptions`: `candidates`, `passes`,
                `teacher`, `beam` (of an autoregressive model), `autocast`, ….

        Raises:
            FileNotFoundError: if a checkpoint or the data folder is missing.
            ValueError: for options that do not exist or that the model cannot serve.
        """
        teacher = decoding.get("teacher")
        if teacher is not None:
            decoding["teacher"] = str(teacher)
        options = options_from(decoding)
        model, task, folder = open_model(
            path, data, device, options.autocast, options.beam
        )
        codec = TextCodec(folder, task.source_dictionary, task.target_dictionary)
        judge = None if teacher is None else load_teacher(teacher, task, device)
        return cls(model, task, codec, options, judge)

    @property
    def parallel(self) -> bool:
        """Whether all words are written at once: of our models and of fairseq's."""
        return is_latent(self.model) or hasattr(self.model, "initialize_output_tokens")

    def translate(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: Optional[int] = None,
        passes: Optional[int] = None,
        references: Optional[Sequence[str]] = None,
    ) -> list[str]:
        """Translates raw sentences; order and number are kept, empty stays empty.

        Args:
            sentences: any number of any length.
            batch_size: sentences that are translated together.
            candidates: how many to choose from; None = as loaded. Of an autoregressive
                model, the beam.
            passes: refinement passes; None = as loaded.
            references: one for each sentence, if the translator was loaded with
                `true_codes` or `true_latents`.
        """
        found = self.hypotheses(sentences, batch_size, candidates, passes, references)
        return [h.text for h in found]

    def stream(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: Optional[int] = None,
        passes: Optional[int] = None,
    ) -> Iterator[str]:
        """Translates sentences as they come, and reads `batch_size` of them ahead."""
        lines = iter(checked(sentences, batch_size))
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
        what = "the inventory of codes that `vq-nat codes` wrote"
        records = read_json(inventory, what, list)
        with reading(inventory, what):
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
        references: Optional[Sequence[str]] = None,
    ) -> list[Hypothesis]:
        """Translates raw sentences and keeps tokens, codes and scores."""
        found = self.nbest(sentences, batch_size, candidates, passes, references)
        return [hypotheses[0] for hypotheses in found]

    def nbest(
        self,
        sentences: Iterable[str],
        batch_size: int = 64,
        candidates: Optional[int] = None,
        passes: Optional[int] = None,
        references: Optional[Sequence[str]] = None,
    ) -> list[list[Hypothesis]]:
        """Returns all different translations of each sentence, the best first.

        Those of a sentence that is translated in pieces are joined by their ranks.
        """
        generator = self._generator(candidates, passes)
        sentences = checked(sentences, batch_size)
        if references is None and not self.needs_references:
            rows, owners = self._pieces(sentences)
            targets = None
        else:
            rows, owners, targets = self._pairs(list(sentences), references)
        found: list[list[Hypothesis]] = [[EMPTY]] * len(rows)
        by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for batch in chunks(by_length, batch_size):
            of_batch = self._translate(
                generator,
                [rows[i] for i in batch],
                None if targets is None else [targets[i] for i in batch],
            )
            for i, hypotheses in zip(batch, of_batch):
                found[i] = hypotheses
        return [join([found[i] for i in pieces]) for pieces in owners]

    @property
    def needs_references(self) -> bool:
        """Whether it decodes from what the references have: a diagnosis."""
        return self.options.needs_references

    def _pieces(
        self, sentences: Iterable[str]
    ) -> tuple[list[torch.Tensor], list[range]]:
        """Returns the rows to translate, and which of them are each sentence's."""
        size = min(PIECE, self.task.max_positions()[0])
        rows: list[torch.Tensor] = []
        owners: list[range] = []
        for sentence in sentences:
            pieces = self.codec.pieces(self.codec.encode(sentence), size)
            owners.append(range(len(rows), len(rows) + len(pieces)))
            rows += pieces
        return rows, owners

    def _pairs(
        self, sentences: list[str], references: Optional[Sequence[str]]
    ) -> tuple[list[torch.Tensor], list[range], list[torch.Tensor]]:
        """Returns sources, which of them are each sentence's, and their targets.

        Raises:
            ValueError: if there is not one reference for each sentence, if nothing
                asks for references, or if a sentence is too long for one piece.
        """
        count = None if references is None else len(references)
        if references is None or count != len(sentences) or not self.needs_references:
            raise ValueError(
                "`references` must be given with `true_codes` or `true_latents` and "
                f"only then, one for each of {len(sentences)} sentences, but are "
                f"{count} instead."
            )
        most = self.task.max_positions()
        rows: list[torch.Tensor] = []
        owners: list[range] = []
        targets: list[torch.Tensor] = []
        for number, (sentence, reference) in enumerate(zip(sentences, references), 1):
            source = self.codec.encode(sentence)
            target = self.codec.encode_target(reference)
            if len(source) > most[0] or len(target) > most[1]:
                raise ValueError(
                    f"sentence {number} and its reference must have at most {most} "
                    f"subwords, but have {(len(source), len(target))} instead."
                )
            full = len(source) > 1  # an empty line stays empty
            owners.append(range(len(rows), len(rows) + full))
            rows += [source] * full
            targets += [target] * full
        return rows, owners, targets

    def _generator(self, candidates: Optional[int], passes: Optional[int]) -> Any:
        """Returns this thread's generator for some settings."""
        kept = self._local.__dict__.setdefault("generators", {})
        if (candidates, passes) not in kept:
            kept[candidates, passes] = self._build(candidates, passes)
        return kept[candidates, passes]

    def _build(self, candidates: Optional[int], passes: Optional[int]) -> Any:
        asked: dict[str, Any] = {}
        if candidates is not None:
            asked["candidates" if self.parallel else "beam"] = candidates
        if passes is not None:
            asked["passes"] = passes
        options = replace(self.options, **asked)
        self._refuse_unserved(options)
        if self.parallel and options.candidates == 1:
            options = replace(options, teacher=None)  # nothing to rank
        teachers = [] if options.teacher is None else [self.teacher]
        if is_latent(self.model):
            models = [self.model, *teachers]
            return build_generator(options, models, self.task.target_dictionary)
        return self.task.build_generator([self.model, *teachers], write_flags(options))

    def _refuse_unserved(self, options: DecodingOptions) -> None:
        """Refuses what would silently do nothing.

        Raises:
            ValueError: naming the option.
        """
        if is_latent(self.model):
            served, kind = LATENT, "a model that writes all words at once"
        elif self.parallel:
            served, kind = PARALLEL, "one of fairseq's parallel models"
        else:
            served, kind = AUTOREGRESSIVE, "an autoregressive model"
        refuse_others(options, served, kind)

    def _translate(
        self,
        generator: Any,
        rows: list[torch.Tensor],
        targets: Optional[list[torch.Tensor]] = None,
    ) -> list[list[Hypothesis]]:
        start = time.perf_counter()
        found = self._generate(generator, rows, targets)
        read = [[self._read(h) for h in hypotheses] for hypotheses in found]
        seconds = (time.perf_counter() - start) / len(rows)
        return [[h._replace(seconds=seconds) for h in of_one] for of_one in read]

    def _generate(
        self,
        generator: Any,
        rows: list[torch.Tensor],
        targets: Optional[list[torch.Tensor]] = None,
    ) -> list[list[Candidate]]:
        device, pad = device_of(self.model), self.task.source_dictionary.pad()
        left = self.task.cfg.left_pad_source
        lengths = torch.tensor([len(row) for row in rows])
        # What stands around a source is the task's business: fairseq's parallel models
        # are trained with a beginning of sentence.
        dataset = self.task.build_dataset_for_inference(rows, lengths)
        rows = [dataset[i]["source"] for i in range(len(rows))]
        lengths = torch.tensor([len(row) for row in rows])
        net_input = {
            "src_tokens": collate_tokens(rows, pad, left_pad=left).to(device),
            "src_lengths": lengths.to(device),
        }
        batch: dict[str, Any] = {"net_input": net_input}
        if targets is not None:
            pad = self.task.target_dictionary.pad()
            batch["target"] = collate_tokens(targets, pad).to(device)
        if isinstance(generator, IterativeLatentGenerator):
            found: list[list[Candidate]] = self.task.candidates(
                generator, [self.model], batch
            )
            return found
        theirs = self.task.inference_step(generator, [self.model], batch)
        return [[candidate_of(one) for one in of_sentence] for of_sentence in theirs]

    def _read(self, candidate: Candidate) -> Hypothesis:
        tokens, rank = candidate.tokens, candidate.rank_score
        return Hypothesis(
            self.codec.decode(tokens),
            self.codec.subwords(tokens),
            candidate.codes.tolist(),
            candidate.score,
            candidate.score if rank is None else rank,
            candidate.teacher_score,
            candidate.steps,
            teacher_seconds=candidate.teacher_seconds,
            history=tuple(self.codec.decode(words) for words in candidate.history),
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
                joined_history([part.history for part in parts]),
            )
        )
    return found


def joined_history(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Joins the passes of a sentence's pieces; one that stood still stays as it is."""
    if not all(parts):
        return ()
    passes = range(max(map(len, parts)))
    return tuple(" ".join(p[min(i, len(p) - 1)] for p in parts) for i in passes)


def checked(sentences: Iterable[str], batch_size: int) -> Iterable[str]:
    """Returns the sentences.

    Raises:
        ValueError: if they are one string, whose letters would be translated, or
            batches have no size.
    """
    if isinstance(sentences, str):
        raise ValueError(
            "`sentences` must be a list of strings, but is a string instead: put it "
            "into a list."
        )
    if batch_size < 1:
        raise ValueError(
            f"`batch_size` must be at least 1, but is {batch_size} instead."
        )
    return sentences


def chunks(items: list[int], size: int) -> Iterator[list[int]]:
    """Yields `size` items at a time."""
    return (items[i : i + size] for i in range(0, len(items), size))
