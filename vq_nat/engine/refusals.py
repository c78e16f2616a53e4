"""Owns what an exported model refuses to do, each in a sentence."""

from typing import TYPE_CHECKING, Any

from ..text.codec import IndexCodec

if TYPE_CHECKING:
    from ..translation.decoding.options import DecodingOptions

MOST_CANDIDATES = 4096  # of a sentence
MOST_PASSES = 1000


def refuse_passes(passes: int, sees_words: bool) -> None:
    """Refuses passes that a model has not learned, or too many.

    Raises:
        ValueError: saying what there may be.
    """
    if passes > MOST_PASSES:
        raise ValueError(
            f"`passes` must be at most {MOST_PASSES} for an exported model, but is "
            f"{passes} instead."
        )
    if passes and not sees_words:
        raise ValueError(
            f"`passes` must be 0, but is {passes} instead: the model was trained "
            "without shown words (--shown-sentences), and cannot predict words "
            "again around others."
        )


def refuse_many(
    options: "DecodingOptions", description: dict[str, Any], parallel: bool
) -> None:
    """Refuses more candidates than a search can tell apart.

    Args:
        options: of decoding.
        description: of the folder.
        parallel: whether the model is latent.

    Raises:
        ValueError: naming the option.
    """
    names, most = ["candidates", "code_beam"], MOST_CANDIDATES
    if not parallel:  # as fairseq's beam, which looks at twice as many words
        names = ["beam"]
        most = max(1, min(most, description["vocabulary"]["target"] // 4))
    for name in names:
        asked = getattr(options, name)
        if asked > most:
            raise ValueError(
                f"`{name}` must be at most {most} for this model, but is {asked} "
                "instead."
            )


def check_teacher(parallel: bool, codec: IndexCodec, students: IndexCodec) -> None:
    """Refuses a teacher that writes in parallel, or with other words.

    Args:
        parallel: whether it does.
        codec: its text.
        students: that of the model which it judges.

    Raises:
        ValueError: saying why.
    """
    if parallel:
        raise ValueError("`teacher` must be an autoregressive model, but is not.")
    for side in ("source", "target"):
        own = getattr(students, side).symbols
        if getattr(codec, side).symbols != own:
            raise ValueError(
                f"the teacher's {side} dictionary must be that of the student, but is "
                "another."
            )
