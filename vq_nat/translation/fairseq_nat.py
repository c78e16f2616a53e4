"""fairseq's own parallel models, decoded as they should be: the paper's NAT rows.

`--task translation_lev_mended` trains as `translation_lev` does, may start from a
teacher's layers, reads the same checkpoints, and has another generator.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

import torch
from fairseq.data import Dictionary
from fairseq.dataclass import FairseqDataclass
from fairseq.iterative_refinement_generator import (
    DecoderOut,
    IterativeRefinementGenerator,
)
from fairseq.models import BaseFairseqModel, FairseqEncoderDecoderModel
from fairseq.models.nat import (
    LevenshteinTransformerModel,
    NACRFTransformerModel,
    NATransformerModel,
)
from fairseq.tasks import register_task
from fairseq.tasks.translation_lev import (
    TranslationLevenshteinConfig,
    TranslationLevenshteinTask,
)
from torch import Tensor

from ..fairseq_side.compat import EverySentence, load_task_state, load_weights
from ..fairseq_side.patches import PatchedTask
from .binding import BoundToText
from .decoding.flags import Given, refuse_ignored, settle_beam
from .decoding.rescoring import EncoderOut, TeacherScore
from .flow import Candidate, align_left, pieces
from .teacher_start import copy_weights, layers_of
from .validation import BleuByLanguage

OF_PARALLEL_MODELS = (
    "iter_decode_eos_penalty",
    "iter_decode_max_iter",
    "iter_decode_force_max_iter",
    "iter_decode_with_beam",
    "iter_decode_with_external_reranker",
    "retain_iter_history",
    "decoding_format",
)
ONE_PASS = (NATransformerModel, NACRFTransformerModel)
# A candidate's length differs from the predicted one by at most a quarter of it, or
# two.
LENGTHS_OFF, LEAST_OFF = 4, 2


class MendedRefinementGenerator(IterativeRefinementGenerator):
    """fairseq's generator without five faults, all seen in fairseq 0.12.

    - The teacher that rescores candidates was asked for an attribute that a dict does
      not have, and read a begin-of-sentence symbol that it had never seen.
    - With `--src-embedding-copy` the words of a source padded on the left were taken
      for its padding, so that outputs depended on the batch. Padding goes to the right.
    - A hundred candidates of a sentence had a hundred different lengths, down to 0: per
      word, the teacher finds a fragment more probable than a sentence.
    - A sentence of a masked language model could count as finished while words were
      still masked. Such a model makes all its passes.
    - The Levenshtein Transformer fails on a batch in which only some sentences can be
      changed. It decodes one sentence at a time.

    It is faster, too: a batch with all its candidates is decoded some rows at a time,
    and a wording that several candidates share is scored once.

    Args:
        tgt_dict: target dictionary.
        teacher: rescores the candidates of a length beam.
        **options: those of fairseq's generator.
    """

    def __init__(
        self,
        tgt_dict: Dictionary,
        teacher: Optional[FairseqEncoderDecoderModel] = None,
        **options: Any,
    ) -> None:
        super().__init__(tgt_dict, reranking=teacher is not None, **options)
        self.teacher = teacher
        self.rescorer = TeacherScore(teacher, tgt_dict, bos=tgt_dict.bos())

    @torch.no_grad()
    def generate(
        self,
        models: list[BaseFairseqModel],
        sample: dict[str, Any],
        prefix_tokens: Optional[Tensor] = None,
        constraints: Optional[Tensor] = None,
    ) -> list[list[dict[str, Any]]]:
        """Translates a batch; returns one hypothesis a sentence, as fairseq does."""
        model = models[0]
        source = align_left(sample["net_input"]["src_tokens"], self.pad)
        if isinstance(model, NATransformerModel):
            model = DecodedInPieces(model)
        together = [model] if self.teacher is None else [model, self.teacher]
        if not isinstance(model, LevenshteinTransformerModel):
            return self._generate(together, source)
        candidates = []
        for row in source:
            candidates += self._generate(together, row[row.ne(self.pad)].unsqueeze(0))
        return candidates

    def _generate(
        self, models: Sequence[object], source: Tensor
    ) -> list[list[dict[str, Any]]]:
        lengths = source.ne(self.pad).sum(dim=1)
        net_input = {"src_tokens": source, "src_lengths": lengths}
        return super().generate(models, {"net_input": net_input})

    def rerank(
        self,
        reranker: FairseqEncoderDecoderModel,
        finalized: list[list[dict[str, Any]]],
        encoder_input: list[Tensor],
        beam_size: int,
    ) -> list[list[dict[str, Any]]]:
        """Replaces the scores by those of the teacher, per word."""
        flat = [hypotheses[0] for hypotheses in finalized]
        groups = [flat[i : i + beam_size] for i in range(0, len(flat), beam_size)]
        different = [list(by_wording(group).values()) for group in groups]
        ranked = self.rescorer.rank(encoder_input[0], different)
        for group, of_group in zip(groups, ranked):
            scores = {tuple(one.tokens.tolist()): one for one in of_group}
            for hypothesis in group:
                same = scores[wording(hypothesis)]
                hypothesis["score"] = same.rank_score
                hypothesis["teacher_seconds"] = same.teacher_seconds
        return finalized


class DecodedInPieces:
    """A parallel model that decodes a batch some rows at a time.

    All candidates at once, each padded to the longest, would not fit into a cache, nor
    always into the memory of a device.

    Args:
        model: one of fairseq's that keeps the length of its output.
    """

    def __init__(self, model: NATransformerModel) -> None:
        self.model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def regenerate_length_beam(
        self, decoder_out: DecoderOut, beam_size: int
    ) -> DecoderOut:
        """Gives every sentence blanks of several lengths, as fairseq does, in bounds.

        Lengths out of bounds become the bound: such candidates have equal words, and
        are ranked once. Shape: (B, T) → (B · beam, T').
        """
        spread = self.model.regenerate_length_beam(decoder_out, beam_size)
        lengths = decoder_out.output_tokens.ne(self.model.pad).sum(dim=1)  # with ends
        off = (lengths // LENGTHS_OFF).clamp(min=LEAST_OFF)
        least, most = (lengths - off).clamp(min=3), lengths + off
        wanted = spread.output_tokens.ne(self.model.pad).sum(dim=1)
        bounds = [bound.repeat_interleave(beam_size) for bound in (least, most)]
        wanted = torch.minimum(torch.maximum(wanted, bounds[0]), bounds[1])
        return self._blanks(spread, wanted)

    def _blanks(self, decoder_out: DecoderOut, lengths: Tensor) -> DecoderOut:
        """Returns rows of blanks between begin and end. Shape: (R,) → (R, T)."""
        model, old = self.model, decoder_out.output_tokens
        places = torch.arange(int(lengths.max()), device=lengths.device)
        tokens = old.new_full((len(lengths), len(places)), model.pad)
        tokens = tokens.masked_fill(places < lengths.unsqueeze(1), model.unk)
        tokens[:, 0] = model.bos
        tokens = tokens.scatter(1, lengths.unsqueeze(1) - 1, model.eos)
        scores = decoder_out.output_scores.new_zeros(tokens.shape)
        return decoder_out._replace(output_tokens=tokens, output_scores=scores)

    def forward_decoder(
        self, decoder_out: DecoderOut, encoder_out: EncoderOut, **options: Any
    ) -> DecoderOut:
        """Predicts words as the model does. Shape: (R, T), padded on the right."""
        tokens, scores = decoder_out.output_tokens, decoder_out.output_scores
        lengths = tokens.ne(self.model.pad).sum(dim=1)
        for rows in pieces(lengths, len(self.model.decoder.dictionary)):
            end = int(lengths[rows].max())
            part = self.model.forward_decoder(
                decoder_out._replace(
                    output_tokens=tokens[rows, :end],
                    output_scores=scores[rows, :end],
                    history=None,
                ),
                self.model.encoder.reorder_encoder_out(encoder_out, rows),
                **options,
            )
            tokens[rows, :end] = part.output_tokens
            scores[rows, :end] = part.output_scores
        if decoder_out.history is not None:
            decoder_out.history.append(tokens.clone())
        return decoder_out._replace(attn=None)


def wording(hypothesis: dict[str, Any]) -> tuple[int, ...]:
    """Returns the words of a hypothesis."""
    return tuple(hypothesis["tokens"].tolist())


def by_wording(
    hypotheses: list[dict[str, Any]],
) -> dict[tuple[int, ...], Candidate]:
    """Returns one candidate for each wording."""
    return {wording(one): candidate_of(one) for one in hypotheses}


def candidate_of(hypothesis: dict[str, Any]) -> Candidate:
    """Reads what a generator of fairseq's gives."""
    tokens, score = hypothesis["tokens"], float(hypothesis["score"])
    return Candidate(
        tokens=tokens,
        positional_scores=hypothesis["positional_scores"],
        score=score,
        code_score=0.0,
        codes=tokens.new_zeros(0, 0),
        steps=int(hypothesis.get("steps") or 0),
        rank_score=score,
        teacher_seconds=hypothesis.get("teacher_seconds", 0.0),
        history=tuple(one["tokens"] for one in hypothesis.get("history") or ()),
    )


@dataclass
class MendedLevenshteinConfig(TranslationLevenshteinConfig):
    """fairseq's flags, and one for a start that is as good as a latent model's."""

    init_from_teacher: Optional[str] = field(
        default=None,
        metadata={
            "help": "checkpoint of a pre-norm fairseq Transformer of the same width, "
            "whose embeddings and layers a fresh model starts from"
        },
    )


@register_task("translation_lev_mended", dataclass=MendedLevenshteinConfig)
class MendedLevenshteinTask(
    PatchedTask,
    BoundToText,
    BleuByLanguage,
    EverySentence,
    TranslationLevenshteinTask,
):
    """fairseq's task for parallel models with a generator that serves them."""

    cfg: MendedLevenshteinConfig

    def build_model(
        self, cfg: FairseqDataclass, from_checkpoint: bool = False
    ) -> BaseFairseqModel:
        """Builds the model; a fresh one may start from its teacher.

        Raises:
            ValueError: if the teacher's shapes do not fit.
        """
        model = super().build_model(cfg, from_checkpoint)
        # None: a checkpoint of fairseq's own task knows no such flag.
        teacher = getattr(self.cfg, "init_from_teacher", None)
        if teacher and not from_checkpoint:
            self.check_state(load_task_state(teacher), f"the teacher {teacher}")
            init_from_teacher(model, teacher)
        return model

    def build_generator(
        self, models: list[BaseFairseqModel], args: Given, *rest: Any, **options: Any
    ) -> MendedRefinementGenerator:
        """Returns the generator; the last of several models may be a teacher.

        Raises:
            ValueError: for settings the model cannot serve.
        """
        refuse_ignored(args, OF_PARALLEL_MODELS, "one of fairseq's parallel models")
        refuse_unserved(models, args)
        settle_beam(args, getattr(args, "iter_decode_with_beam", 1))
        model = models[0]
        reranks = getattr(args, "iter_decode_with_external_reranker", False)
        adaptive = not getattr(args, "iter_decode_force_max_iter", False)
        return MendedRefinementGenerator(
            self.target_dictionary,
            teacher=models[-1] if reranks else None,
            eos_penalty=getattr(args, "iter_decode_eos_penalty", 0.0),
            max_iter=getattr(args, "iter_decode_max_iter", 10),
            beam_size=getattr(args, "iter_decode_with_beam", 1),
            decoding_format=getattr(args, "decoding_format", None),
            adaptive=adaptive and not masks_words(model),
            retain_history=getattr(args, "retain_iter_history", False),
        )


def init_from_teacher(model: BaseFairseqModel, path: str) -> int:
    """Copies embeddings and layers of an autoregressive teacher.

    Args:
        model: one of fairseq's parallel models.
        path: a fairseq Transformer's checkpoint.

    Returns:
        How many tensors were copied.

    Raises:
        ValueError: if the teacher's shapes do not fit.
    """
    teacher = load_weights(path)
    weights = {k: t for k, t in teacher.items() if ".embed_tokens." in k}
    for part in ("encoder", "decoder"):
        layers = layers_of(teacher, part)
        weights |= {f"{part}.{name}": tensor for name, tensor in layers.items()}
    return copy_weights(model, weights, path)


def masks_words(model: BaseFairseqModel) -> bool:
    """Tells whether a pass may leave masks behind (`cmlm_transformer`)."""
    own = type(model).forward_decoder is not NATransformerModel.forward_decoder
    return isinstance(model, NATransformerModel) and own


def refuse_unserved(models: list[BaseFairseqModel], args: Given) -> None:
    """Refuses decoding options that the model cannot serve.

    Raises:
        ValueError: naming the option.
    """
    model, name = models[0], type(models[0]).__name__
    passes = getattr(args, "iter_decode_max_iter", 10)
    beam = getattr(args, "iter_decode_with_beam", 1)
    if type(model) in ONE_PASS and passes:
        raise ValueError(
            f"`iter_decode_max_iter` must be 0, but is {passes} instead: {name} was "
            "not trained to improve its own output."
        )
    if beam > 1 and not model.allow_length_beam:
        raise ValueError(
            f"`iter_decode_with_beam` must be 1, but is {beam} instead: {name} finds "
            "its length while it writes."
        )
    if getattr(args, "iter_decode_with_external_reranker", False):
        if beam == 1:
            raise ValueError(
                "`iter_decode_with_beam` must be above 1 with "
                "`iter_decode_with_external_reranker`, but is 1 instead: there is "
                "nothing to rank."
            )
        if len(models) < 2 or hasattr(models[-1], "initialize_output_tokens"):
            raise ValueError(
                "`iter_decode_with_external_reranker` must come with the path of an "
                "autoregressive teacher (--path STUDENT:TEACHER), but has none."
            )
