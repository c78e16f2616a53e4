"""Scores a teacher on the human validation and test sets, with its beam and greedily.

The BLEU of a distilled corpus is worth as much as its teacher's: it belongs beside the
data, with the signature that says how it was counted.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from data_prep.lib import teachers
from data_prep.lib.plan import CorpusPlan
from data_prep.lib.pool import DecodingJob
from data_prep.lib.steps import tell
from data_prep.lib.teachers import Teacher, batches_by_length
from data_prep.lib.text import plain_text, read_lines, undo_bpe
from vq_nat.text.renderings import known_renderings
from vq_nat.writing import write_json


def evaluate(
    job: DecodingJob, corpus: CorpusPlan, splits: list[str], path: Path
) -> None:
    """Writes {split: {"beam 4": {"bleu", "signature"}, "greedy": ...}}.

    Args:
        job: the teacher and how it searches.
        corpus: with subwords of the sources and raw references.
        splits: what to translate.
        path: where to write.
    """
    result: dict[str, Any] = {split: {} for split in splits}
    beam = job.decoding.beam
    for name, width in ((f"beam {beam}", beam), ("greedy", 1)):
        decoding = replace(job.decoding, beam=width)
        teacher = teachers.load_teacher(
            job.checkpoint, job.data, decoding, job.devices[0]
        )
        for split in splits:
            sources = list(
                read_lines(corpus.out / "bpe" / f"{split}.{corpus.langs[0]}")
            )
            subwords = translate(teacher, sources, decoding.max_tokens)
            texts = [
                plain_text(undo_bpe(one), corpus.langs[1], corpus) for one in subwords
            ]
            streams = references(corpus, split)
            result[split][name] = bleu(texts, streams, corpus.langs[1])
            figure = result[split][name]["bleu"]
            tell(f"evaluation: {split}, {name}: BLEU {figure:.2f}")
    write_json(result, path)


def translate(teacher: Teacher, sources: list[str], max_tokens: int) -> list[str]:
    """Returns the best translations of lines of subwords."""
    texts = [""] * len(sources)
    for batch in batches_by_length(sources, max_tokens):
        outputs = teacher.translate([sources[i] for i in batch], 1)
        for i, hypotheses in zip(batch, outputs, strict=True):
            texts[i] = hypotheses[0][1]
    return texts


def references(corpus: CorpusPlan, split: str) -> list[list[str | None]]:
    """Returns the raw references in sacreBLEU's order: all correct ones, if known.

    Raises:
        BadFile: if they are no such lists.
    """
    target = list(read_lines(corpus.raw / f"{split}.{corpus.langs[1]}"))
    known = known_renderings(corpus.raw / f"{split}.refs.json", target)
    return [list(stream) for stream in zip_longest(*known)] if known else [[*target]]


def bleu(
    texts: list[str], streams: Sequence[Sequence[str | None]], lang: str
) -> dict[str, Any]:
    """Returns BLEU with the words of a language, and its signature."""
    from vq_nat.translation.scores import bleu_of

    metric = bleu_of(lang)
    score = metric.corpus_score(texts, streams)  # type: ignore[arg-type]  # None: fewer
    return {"bleu": round(score.score, 2), "signature": str(metric.get_signature())}
