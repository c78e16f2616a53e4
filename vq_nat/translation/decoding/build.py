"""From options to a generator, for a model that can serve them."""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf

from fairseq.data import Dictionary
from torch import Tensor, nn

from ..flow import LatentModel, is_aligned, is_latent, reads_source
from .generator import IterativeLatentGenerator
from .lengths import LengthRule
from .limits import SearchOptions
from .options import DecodingOptions, refuse_idle_temperature
from .redraft import Redrafter
from .rescoring import ChrfConsensus, ModelScore, Rescorer, TeacherScore
from .verify import Tolerance, VerifiedDraft, Verifier


def build_generator(
    options: DecodingOptions,
    models: Sequence[LatentModel | nn.Module],
    dictionary: Dictionary,
) -> IterativeLatentGenerator:
    """Builds what decodes a latent model.

    Args:
        options: how.
        models: the latent model; the teacher that rescores, if there is one, is last.
        dictionary: of the target.

    Raises:
        ValueError: for options that the model cannot serve.
    """
    refuse_unserved(options, models)
    return IterativeLatentGenerator(
        dictionary,
        max_iter=options.passes,
        retain_history=options.retain_iter_history,
        true_codes=options.true_codes,
        true_latents=options.true_latents,
        search=search_of(options),
        lengths=lengths_of(options),
        refinement=options.refinement,
        rescorer=rescorer_of(options, models, dictionary),
    )


def search_of(options: DecodingOptions) -> SearchOptions:
    """Returns the search for codes; a beam of one is greedy."""
    kind, beam = options.code_search, max(options.candidates, options.code_beam)
    return SearchOptions(
        "greedy" if beam == 1 and kind != "sample" else kind,
        options.candidates,
        options.temperature,
        options.length_penalty,
        options.sampling_seed,
        options.code_beam,
    )


def lengths_of(options: DecodingOptions) -> LengthRule:
    """Returns the rule for lengths."""
    return LengthRule(
        options.max_len_a,
        options.max_len_b,
        options.min_length_ratio,
        options.max_length_ratio,
        options.length_ratio if options.length_mode == "ratio" else 0.0,
        guarded=not options.max_length_ratio,
        shortest=options.min_len,
    )


def rescorer_of(
    options: DecodingOptions,
    models: Sequence[LatentModel | nn.Module],
    dictionary: Dictionary,
) -> Rescorer:
    """Returns what ranks the candidates, or rewrites the best of them."""
    if options.verify:
        assert isinstance(models[-1], nn.Module)
        passing = Tolerance(options.verify_best, options.verify_margin or inf)
        verifier = Verifier(models[-1], dictionary, passing, lengths_of(options))
        ranks, drafts = own_rescorer(options, dictionary), None
        if is_latent(models[0]) and hasattr(models[0], "compress"):  # not exported
            plain = IterativeLatentGenerator(dictionary, lengths=lengths_of(options))
            drafts = partial(Redrafter, models[0], plain)
        return VerifiedDraft(verifier, ranks, drafts)
    if options.teacher is not None:
        return TeacherScore(models[-1], dictionary, options.length_penalty)
    return own_rescorer(options, dictionary)


def own_rescorer(options: DecodingOptions, dictionary: Dictionary) -> Rescorer:
    """Returns what ranks the candidates without a teacher."""
    if options.rescore == "chrf":
        return ChrfConsensus(plain_text(dictionary))
    return ModelScore(options.length_penalty)


def plain_text(dictionary: Dictionary) -> Callable[[Tensor], str]:
    """Returns what turns target indices into words without the joiners of subwords.

    BPE marks a piece that goes on (`tr@@ ain`), SentencePiece one that begins a word
    (`▁tr ain`).
    """
    goes_on = any(symbol.endswith("@@") for symbol in dictionary.symbols)
    begins = any(symbol.startswith("\u2581") for symbol in dictionary.symbols)

    def text(tokens: Tensor) -> str:
        pieces: str = dictionary.string(tokens.int().cpu())
        if goes_on or not begins:
            return pieces.replace("@@ ", "")
        return pieces.replace(" ", "").replace("\u2581", " ").strip()

    return text


def refuse_unserved(
    options: DecodingOptions, models: Sequence[LatentModel | nn.Module]
) -> None:
    """Refuses options that this model cannot serve.

    Raises:
        ValueError: naming the option.
    """
    model = models[0]
    assert is_latent(model), "there is another generator for models without latents"
    if is_aligned(model):
        refuse_places(options, reads_source(model))
    elif not model.predicts_codes and not options.true_latents:
        raise ValueError(
            "`true_latents` must be the way to decode a model of `vq_kind` "
            "'identity', but is not: it has no codes to predict."
        )
    if options.teacher is not None and (len(models) < 2 or is_latent(models[-1])):
        raise ValueError(
            "`teacher` must come with the path of an autoregressive model "
            "(--path STUDENT:TEACHER), but has none."
        )
    masks = options.refinement in ("mask", "both")
    if options.passes and masks and not model.sees_words:
        other = " Use `--refinement latent`." if hasattr(model, "compress") else ""
        raise ValueError(
            f"`passes` must be 0, but is {options.passes} instead: the model was "
            "trained without shown words (--shown-sentences), and cannot predict words "
            f"again around others.{other}"
        )
    refuse_idle_temperature(options)


# What needs codes: a model that reads the source has none.
OF_CODES = {
    "candidates": 1,
    "passes": 0,
    "true_codes": False,
    "true_latents": False,
    "code_search": "beam",
    "code_beam": 0,
    "length_mode": "free",
    "min_length_ratio": 0.0,
}
# What needs places of words, which are not known before the words are.
OF_PLACES = {"verify": False, "min_len": 1}


def refuse_places(options: DecodingOptions, without_codes: bool) -> None:
    """Refuses options that a model whose words have no places cannot serve.

    Args:
        options: of decoding.
        without_codes: whether it has no codes either.

    Raises:
        ValueError: naming the option.
    """
    refused = OF_PLACES | (OF_CODES if without_codes else {})
    kind = "that was trained without codes" if without_codes else "without places"
    for name, only in refused.items():
        if getattr(options, name) != only:
            raise ValueError(
                f"`{name}` must be {only!r} for a model {kind} (--alignment ctc), but "
                f"is {getattr(options, name)!r} instead."
            )
