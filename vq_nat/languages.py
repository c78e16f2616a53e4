"""Owns what a language may be called: its name is a part of the names of files."""

import re

NAME = re.compile(r"[\w@][\w.@-]{0,63}")


def is_language(name: object) -> bool:
    """Tells whether something is the short name of a language: en, zh_CN, sr@latin.

    Names come from files that are passed on: one must not lead out of a folder.
    """
    return isinstance(name, str) and bool(NAME.fullmatch(name))
