"""Owns what binds a checkpoint to its text: languages, dictionaries, lengths.

A dictionary of the same size with its lines in another order gives garbage without an
error, and so does a text in the other language. The tasks keep both in the checkpoint,
and refuse what does not fit wherever a checkpoint is loaded. They also keep how long
the sources of the training were: a longer line is cut into pieces before it is
translated.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from ..fairseq_side.compat import Refused


class Symbols(Protocol):
    """A dictionary, of fairseq's or another."""

    symbols: list[str]


KEY = "text"  # of a task's state in a checkpoint
LENGTH = "trained_source"
USUAL = 0.999  # of the training's sources are no longer than what is kept


def trained_source(task: Any) -> Any:
    """Returns how long the sources of a checkpoint's training were, None if unknown.

    Args:
        task: that the checkpoint was loaded with.
    """
    return task.state.state_dict.get(LENGTH)


class OtherTextError(Refused):
    """A checkpoint that was trained on another text than the given one."""


class BoundToText:
    """A task whose checkpoints know their text; stands before fairseq's task."""

    cfg: Any
    source_dictionary: Any
    target_dictionary: Any

    def state_dict(self) -> dict[str, Any]:
        """Adds languages and dictionaries to what a checkpoint keeps."""
        kept: dict[str, Any] = super().state_dict()  # type: ignore[misc]
        return {**kept, KEY: self.text}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes a checkpoint's state.

        Raises:
            OtherTextError: if it was trained on another text.
        """
        self.check_state(state_dict)
        rest = {name: part for name, part in state_dict.items() if name != KEY}
        super().load_state_dict(rest)  # type: ignore[misc]

    def load_dataset(self, split: str, *rest: Any, **options: Any) -> None:
        """Loads a data set, and keeps how long the sources of the training are."""
        super().load_dataset(split, *rest, **options)  # type: ignore[misc]
        if split == self.cfg.train_subset:
            sizes = self.datasets[split].src_sizes.copy()  # type: ignore[attr-defined]
            sizes.sort()
            longest = int(sizes[round(USUAL * (len(sizes) - 1))])
            self.state.merge_state_dict({LENGTH: longest})  # type: ignore[attr-defined]

    def check_state(self, state: dict[str, Any], who: str = "the checkpoint") -> None:
        """Refuses the state of a checkpoint of another text, see `check_text`.

        Args:
            state: of the task that the checkpoint was trained in; one of fairseq's own
                tasks says nothing.
            who: the checkpoint, for the message.
        """
        if KEY in state:
            check_text(state[KEY], self.text, self.cfg.data, who)

    @property
    def text(self) -> dict[str, list[str]]:
        """Languages and dictionaries, source and target."""
        languages = (self.cfg.source_lang, self.cfg.target_lang)
        return describe_text(
            languages, (self.source_dictionary, self.target_dictionary)
        )


def describe_text(
    languages: Sequence[str], dictionaries: Sequence[Symbols]
) -> dict[str, list[str]]:
    """Returns what a checkpoint keeps of its text.

    Args:
        languages: source and target.
        dictionaries: of both.
    """
    return {
        "languages": list(languages),
        "dictionaries": [fingerprint(one) for one in dictionaries],
    }


def fingerprint(dictionary: Symbols) -> str:
    """Returns the SHA-256 of the symbols in their order; counts do not matter."""
    return hashlib.sha256("\n".join(dictionary.symbols).encode()).hexdigest()


def check_text(
    trained: dict[str, list[str]],
    present: dict[str, list[str]],
    folder: object,
    who: str = "the checkpoint",
) -> None:
    """Refuses other dictionaries than those of a checkpoint, and the other direction.

    Args:
        trained: what the checkpoint keeps.
        present: what there is now.
        folder: where the dictionaries stand, for the message.
        who: the checkpoint, for the message.

    Raises:
        OtherTextError: naming what differs.
    """
    languages = present["languages"]
    if trained["languages"] == languages[::-1] != languages:
        raise OtherTextError(
            f"{who} must translate from {languages[0]} to {languages[1]}, but was "
            f"trained from {languages[1]} to {languages[0]} instead."
        )
    pairs = zip(languages, trained["dictionaries"], present["dictionaries"])
    for language, before, now in pairs:
        if before != now:
            raise OtherTextError(
                f"dict.{language}.txt in {folder} must be the dictionary that {who} "
                "was trained with, but has other symbols, or another order of them, "
                "instead."
            )


@contextmanager
def naming_other_sizes() -> Iterator[None]:
    """Says of weights of other sizes where they come from.

    Raises:
        RuntimeError: from torch's.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_of_other_size(error):
            raise
        raise RuntimeError(
            "the dictionary must be the one that the checkpoint was trained with, but "
            f"has another size (or `--encoder-embed-dim` differs): {error}"
        ) from error


def is_of_other_size(error: BaseException) -> bool:
    """Tells whether weights did not fit because a dictionary has another size."""
    return "size mismatch for" in str(error) and "embed_tokens.weight" in str(error)
