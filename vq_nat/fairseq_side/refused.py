"""Owns the error of what a user asked for and cannot have, under fairseq's commands."""

from collections.abc import Iterator
from contextlib import contextmanager


class Refused(ValueError, SystemExit):
    """What a user asked for and cannot have.

    A ValueError to who calls us. Under fairseq's commands, which catch nothing, Python
    ends with the sentence alone instead of a traceback.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = sentence


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """Lets wrong options end fairseq's commands, which catch nothing, in a sentence.

    Raises:
        Refused: in place of a ValueError.
    """
    try:
        yield
    except Refused:
        raise
    except ValueError as error:
        raise Refused(str(error)) from error


@contextmanager
def of_a_file() -> Iterator[None]:
    """Undoes `in_a_sentence`: of options in a file it is the file that is wrong.

    Raises:
        ValueError: that was refused.
    """
    try:
        yield
    except Refused as error:
        if type(error) is Refused and isinstance(error.__cause__, ValueError):
            raise error.__cause__ from None
        raise
