"""Owns what may be given to fairseq's commands: paths, languages, dictionaries.

fairseq takes some names apart, and says so after hours of work, or not at all.
"""

from pathlib import Path

from data_prep.lib.steps import UserError
from vq_nat.languages import is_language
from vq_nat.text.lines import NotUTF8Error, read_lines

TAKEN_APART = {
    ":": "takes for several folders",
    ",": "takes for several files",
    "${": "takes for the name of an option",
}
OVERWRITE = " #fairseq:overwrite"  # a flag behind a count


def check_path(path: Path, what: str) -> None:
    """Refuses a path that fairseq takes apart.

    Args:
        path: as it will be given to fairseq.
        what: it is, for the message.

    Raises:
        UserError: naming what it must not have.
    """
    for sign, meaning in TAKEN_APART.items():
        if sign in str(path):
            raise UserError(
                f"{what} must have no {sign!r} in its path, which fairseq {meaning}, "
                f"but is {path} instead."
            )


def check_languages(source: str, target: str) -> None:
    """Refuses names of languages that give both sides the same files.

    Raises:
        UserError: if they are equal, or cannot be part of a file's name.
    """
    if source == target:
        raise UserError(
            "--source-lang and --target-lang must differ, as files are named after "
            f"them, but both are {source!r} instead."
        )
    for language in (source, target):
        if not is_language(language) or "." in language:  # which ends a file's name
            raise UserError(
                "A language must be a name like en, zh_CN or sr@latin, of letters, "
                f"digits, _, - and @, but is {language!r} instead."
            )


def check_dictionary(path: Path) -> None:
    """Refuses what is no dictionary of fairseq's, such as a SentencePiece vocabulary.

    Raises:
        UserError: naming file and line.
    """
    for number, line in enumerate(read_dictionary(path), start=1):
        symbol, _, count = line.removesuffix(OVERWRITE).rpartition(" ")
        if not symbol or not count.isdecimal():
            hint = VOCABULARY if "\t" in line else ""
            raise UserError(
                f"{path}, line {number}: must be a symbol, a blank and a count, but is "
                f"{line!r} instead{hint}."
            )


def read_dictionary(path: Path) -> list[str]:
    """Returns the lines of a dictionary, with the blanks that may be symbols.

    Raises:
        UserError: if it is not UTF-8.
    """
    try:
        return read_lines(path)
    except NotUTF8Error as error:
        raise UserError(str(error)) from None


VOCABULARY = (
    " (a vocabulary of SentencePiece has a tab and a score; prepare without "
    "--joined-dict, and fairseq makes a dictionary)"
)
