"""Given codes: how probable the predictor finds them, and what they decode to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

import torch
from torch import Tensor

from ...inspected import Codes, CodeStep, Rival
from ..flow import Candidate, EncodedSource, LatentCodes, LatentModel
from .generator import IterativeLatentGenerator
from .options import DecodingOptions


def for_given(options: DecodingOptions, passes: Optional[int]) -> DecodingOptions:
    """Returns the options for codes that are given: nothing is searched or ranked.

    Args:
        options: of a translator.
        passes: of refinement; None = as in `options`.
    """
    return replace(
        options,
        candidates=1,
        code_search="beam",
        code_beam=0,
        temperature=1.0,
        teacher=None,
        verify=False,
        verify_best=1,
        verify_margin=0.0,
        true_codes=False,
        true_latents=False,
        retain_iter_history=True,
        passes=options.passes if passes is None else passes,
    )


@torch.no_grad()
def decode_given(
    generator: IterativeLatentGenerator,
    model: LatentModel,
    src_tokens: Tensor,
    codes: Sequence[Codes],
    rivals: int,
) -> list[tuple[Candidate, list[CodeStep]]]:
    """Decodes codes, and says how probable the predictor finds each step.

    Args:
        generator: decodes words, and refines them.
        model: a latent model.
        src_tokens: (B, S).
        codes: of each sentence.
        rivals: how many other codes are told for each step.
    """
    source = model.encode(src_tokens)
    given = as_batch(codes, source)
    logp = model.code_log_probs(given.codes, source)
    given = given._replace(score=model.score_codes(given, source))
    steps = [
        [step_of(row[place], step, rivals) for place, step in enumerate(of_one)]
        for row, of_one in zip(logp, codes)
    ]
    return list(zip(generator.from_codes(model, given, source), steps))


def as_batch(codes: Sequence[Codes], source: EncodedSource) -> LatentCodes:
    """Puts codes side by side; what is missing behind the shorter ones is 0."""
    longest = max(len(of_one) for of_one in codes)
    slices, device = len(codes[0][0]), source.states.device
    batch = torch.zeros(len(codes), longest, slices, dtype=torch.long, device=device)
    mask = torch.zeros(len(codes), longest, dtype=torch.bool, device=device)
    for row, of_one in enumerate(codes):
        batch[row, : len(of_one)] = torch.tensor(of_one, device=device)
        mask[row, : len(of_one)] = True
    return LatentCodes(batch, mask, torch.zeros(len(codes), device=device))


def step_of(logp: Tensor, codes: list[int], rivals: int) -> CodeStep:
    """Judges one step. Shape: logp (G, K + 1)."""
    code = torch.tensor(codes, device=logp.device)
    others = best_rivals(logp, code, rivals)
    return CodeStep(
        list(codes),
        probability(logp, code),
        [Rival(rival.tolist(), probability(logp, rival)) for rival in others],
    )


def best_rivals(logp: Tensor, code: Tensor, count: int) -> list[Tensor]:
    """Returns the most probable codes that differ from `code` in one slice.

    Args:
        logp: (G, K + 1).
        code: (G,).
        count: how many.
    """
    gains = logp[:, :-1] - logp.gather(1, code.unsqueeze(1))  # (G, K)
    gains = gains.scatter(1, code.unsqueeze(1), -float("inf"))
    rivals = []
    best = gains.flatten().topk(min(count, gains.numel() - len(code)))
    for gain, index in zip(best.values, best.indices):
        if gain == -float("inf"):
            break  # what no step has
        rival = code.clone()
        rival[index // gains.size(1)] = index % gains.size(1)
        rivals.append(rival)
    return rivals


def probability(logp: Tensor, code: Tensor) -> float:
    """Returns p(code) of all slices. Shape: (G, K + 1), (G,)."""
    return float(logp.gather(1, code.unsqueeze(1)).sum().exp())
