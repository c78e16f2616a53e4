"""Owns the lists of all correct translations that lie beside a test set, if any."""

from __future__ import annotations

from pathlib import Path

from ..files import BadFile, read_json


def known_renderings(path: Path, targets: list[str]) -> list[list[str]]:
    """Returns all correct translations of each sentence; none if they are not known.

    Args:
        path: of a list for each sentence; it need not exist.
        targets: the reference of each sentence. If none is in its list, the lists are
            those of the other language, for a model that translates back.

    Raises:
        BadFile: if they are no lists of texts, or some references are in their lists
            and others are not.
    """
    if not path.is_file():
        return []
    lists: list[list[str]] = read_json(path, "lists of known translations", list)
    if not all(are_texts(one) for one in lists):
        raise BadFile(
            f"{path} must be lists of known translations, one for each sentence, each "
            "of at least one text, but is not."
        )
    hits = sum(target in of_one for target, of_one in zip(targets, lists))
    if hits == 0:
        return []
    if hits != len(targets) or len(lists) != len(targets):
        raise BadFile(
            f"{path} must hold a list for each of {len(targets)} sentences, its "
            f"reference among them, but holds {len(lists)}, {hits} of which do."
        )
    return lists


def are_texts(value: object) -> bool:
    """Tells whether a value is a list of texts, and not an empty one."""
    texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return texts and bool(value)
