"""Text in, text out: a trained model with its tokeniser and subword codes."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Optional, Union

import torch
from fairseq.data.data_utils import collate_tokens
from fairseq.models import BaseFairseqModel
from fairseq.tasks.translation import TranslationTask

from ..inspected import Codes, Inspection, check_codes
from ..translated import (
    EMPTY,
    Asked,
    Hypothesis,
    TextDoor,
    in_pieces,
    join,
    refuse_beyond,
)
from .binding import trained_source
from .codec import Limits, TextCodec
from .config import WORDS
from .decoding.build import build_generator
from .decoding.flags import write_flags
from .decoding.generator import IterativeLatentGenerator
from .decoding.inspection import decode_given, for_given
from .decoding.options import (
    AUTOREGRESSIVE,
    LATENT,
    PARALLEL,
    DecodingOptions,
    options_from,
    refuse_others,
)
from .fairseq_nat import candidate_of
from .flow import Candidate, device_of, is_aligned, is_latent
from .loading import load_teacher, open_model
from .task import Generator


class Translator(TextDoor):
    """A trained model that translates raw text.

    Latent models and their autoregressive teachers take the same path through it, so
    that their times can be compared. Several threads may read from one translator.

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
        task: TranslationTask,
        codec: TextCodec,
        options: DecodingOptions,
        teacher: Optional[BaseFairseqModel] = None,
    ) -> None:
        self.model, self.task, self.codec, self.teacher = model, task, codec, teacher
        self.options = options
        self._loaded: Optional[dict[str, Any]] = None  # what `load` was called with
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
        codec = TextCodec(
            folder,
            task.source_dictionary,
            task.target_dictionary,
            (task.cfg.source_lang, task.cfg.target_lang),
        )
        judge = None if teacher is None else load_teacher(teacher, task, device)
        made = cls(model, task, codec, options, judge)
        places = {"path": path, "data": data, "teacher": teacher}
        there = {k: v and str(Path(v).absolute()) for k, v in places.items()}
        made._loaded = {**decoding, "device": device, **there}
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Gives another process the arguments of `load`, to load the model again.

        Raises:
            TypeError: if it was not loaded but made of parts.
        """
        if self._loaded is None:
            raise TypeError(
                "a translator must be made by `vq_nat.load` to be copied or sent to "
                "another process, but was made of its parts instead."
            )
        return _load_again, (type(self), self._loaded)

    @property
    def parallel(self) -> bool:
        """Whether all words are written at once: of our models and of fairseq's."""
        return is_latent(self.model) or hasattr(self.model, "initialize_output_tokens")

    @property
    def languages(self) -> tuple[str, str]:
        """The language that is read, and the one that is written."""
        return self.task.cfg.source_lang, self.task.cfg.target_lang

    @property
    def has_codes(self) -> bool:
        """Whether translations have codes, so that they can be taken apart."""
        return is_latent(self.model) and self.model.predicts_codes

    @property
    def own_candidates(self) -> int:
        """How many candidates there are of a sentence, if a call does not say."""
        return self.options.candidates if self.parallel else self.options.beam

    @property
    def has_places(self) -> bool:
        """Whether each word has its place, and so belongs to one of the codes."""
        return not is_aligned(self.model)

    @property
    def sees_words(self) -> bool:
        """Whether passes can refine the words."""
        return is_latent(self.model) and self.model.sees_words

    def code_name(self, code: int) -> Optional[str]:
        """Returns the subword that a code is, where codes are words."""
        if not self.has_codes or self.model.cfg.vq_kind != WORDS:
            return None
        return self.codec.names([code])[0]

    def spelled(self, tokens: Sequence[str]) -> str:
        """Joins subwords of a part of a translation, for a reader."""
        return self.codec.spelled(tokens)

    def _nbest(self, sentences: Iterator[str], asked: Asked) -> list[list[Hypothesis]]:
        """Does what `nbest` does, the longest sentences last."""
        references = asked.references
        generator = self._generator(asked.candidates, asked.passes)
        if references is None and not self.needs_references:
            rows, owners = self._pieces(sentences)
            targets = None
        else:
            rows, owners, targets = self._pairs(list(sentences), references)
        hypotheses: list[list[Hypothesis]] = [[EMPTY]] * len(rows)
        for batch in self._batches(rows, asked.batch_size):
            of_batch = self._translate(
                generator,
                [rows[i] for i in batch],
                None if targets is None else [targets[i] for i in batch],
            )
            for i, of_row in zip(batch, of_batch):
                hypotheses[i] = of_row
        return [join([hypotheses[i] for i in pieces]) for pieces in owners]

    def _batches(self, rows: Sequence[torch.Tensor], size: int) -> Iterator[list[int]]:
        """Yields the places of rows that are translated together, longest rows last.

        fairseq's search takes its longest output from the longest source of a batch:
        where that bounds it, a batch has sources of one length alone.
        """
        by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        if is_latent(self.model) or not self.options.max_len_a:
            yield from chunks(by_length, size)
            return
        for _, alike in groupby(by_length, key=lambda i: len(rows[i])):
            yield from chunks(list(alike), size)

    @property
    def needs_references(self) -> bool:
        """Whether it decodes from what the references have: a diagnosis."""
        return self.options.needs_references

    def _pieces(
        self, sentences: Iterable[str]
    ) -> tuple[list[torch.Tensor], list[range]]:
        """Returns the rows to translate, and which of them are each sentence's."""
        most = self.task.max_positions()[0]
        limits = Limits.of(most, trained_source(self.task))
        return in_pieces(sentences, lambda line: self.codec.pieces(line, limits))

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

    def _generator(self, candidates: Optional[int], passes: Optional[int]) -> Generator:
        """Returns this thread's generator for some settings."""
        kept = self._local.__dict__.setdefault("generators", {})
        if (candidates, passes) not in kept:
            kept[candidates, passes] = self._build(candidates, passes)
        return kept[candidates, passes]

    def _build(self, candidates: Optional[int], passes: Optional[int]) -> Generator:
        options = self.options.of_call(candidates, passes, parallel=self.parallel)
        self._refuse_unserved(options)
        if self.parallel and options.candidates == 1 and not options.verify:
            options = replace(options, teacher=None)  # nothing to rank
        models = [self.model] if options.teacher is None else [self.model, self.teacher]
        if is_latent(self.model):
            return build_generator(options, models, self.task.target_dictionary)
        return self.task.build_generator(models, write_flags(options))

    def _refuse_unserved(self, options: DecodingOptions) -> None:
        """Refuses options that the model would ignore.

        Raises:
            ValueError: naming the option.
        """
        if is_latent(self.model):
            served, kind = LATENT, "a model that writes all words at once"
        elif self.parallel:
            served, kind = PARALLEL, "one of fairseq's parallel models"
        else:
            served, kind = AUTOREGRESSIVE, "an autoregressive model"
            refuse_beyond(options, self.model.max_decoder_positions())
        if options.verify and self.teacher is not None:
            refuse_beyond(options, self.teacher.max_decoder_positions())
        refuse_others(options, served, kind)

    def _translate(
        self,
        generator: Generator,
        rows: list[torch.Tensor],
        targets: Optional[list[torch.Tensor]] = None,
    ) -> list[list[Hypothesis]]:
        start = time.perf_counter()
        candidates = self._generate(generator, rows, targets)
        read = [[self._read(h) for h in hypotheses] for hypotheses in candidates]
        seconds = (time.perf_counter() - start) / len(rows)
        return [[h._replace(seconds=seconds) for h in of_one] for of_one in read]

    def _generate(
        self,
        generator: Generator,
        rows: list[torch.Tensor],
        targets: Optional[list[torch.Tensor]] = None,
    ) -> list[list[Candidate]]:
        device, pad = device_of(self.model), self.task.source_dictionary.pad()
        left = self.task.cfg.left_pad_source
        lengths = torch.tensor([len(row) for row in rows])
        # The task adds what stands around a source: fairseq's parallel models are
        # trained with a beginning of sentence.
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
            candidates: list[list[Candidate]] = self.task.candidates(
                generator, [self.model], batch
            )
            return candidates
        theirs = self.task.inference_step(generator, [self.model], batch)
        return [[candidate_of(one) for one in of_sentence] for of_sentence in theirs]

    def _inspect(
        self,
        rows: list[torch.Tensor],
        codes: list[Codes],
        rivals: int,
        passes: Optional[int],
    ) -> list[Inspection]:
        predictor = self.model.predictor
        for of_one in codes:
            check_codes(
                of_one,
                predictor.max_latents,
                slices=predictor.slices,
                kinds=predictor.codes,
                never=getattr(predictor, "never", ()),
            )
        tokens = collate_tokens(rows, self.task.source_dictionary.pad())
        decoded = decode_given(
            self._inspector(passes),
            self.model,
            tokens.to(device_of(self.model)),
            codes,
            rivals,
        )
        return [
            Inspection(
                self.codec.decode(candidate.tokens),
                self.codec.subwords(candidate.tokens),
                steps,
                self.model.chunk,
                candidate.score,
                [self.codec.subwords(words) for words in candidate.history],
            )
            for candidate, steps in decoded
        ]

    def _inspector(self, passes: Optional[int]) -> IterativeLatentGenerator:
        """Returns this thread's generator of words from codes that are given."""
        kept = self._local.__dict__.setdefault("inspectors", {})
        if passes not in kept:
            options = for_given(self.options, passes)
            self._refuse_unserved(options)
            kept[passes] = build_generator(
                options, [self.model], self.task.target_dictionary
            )
        return kept[passes]

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


def _load_again(kind: type[Translator], arguments: dict[str, Any]) -> Translator:
    """Loads a translator anew, see `Translator.__reduce__`."""
    return kind.load(**arguments)


def chunks(items: list[int], size: int) -> Iterator[list[int]]:
    """Yields `size` items at a time."""
    return (items[i : i + size] for i in range(0, len(items), size))
