"""What a word of the command line may be: parsers that refuse in one sentence."""

import argparse

from ..bench.conditions import Clock

MOST_PORT = 65_535


def positive(text: str) -> int:
    """Parses a number of things there must be at least one of."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(
            f"must be a whole number above 0, but is {text!r} instead"
        )
    return int(text)


def count(text: str) -> int:
    """Parses a number of things there may be none of."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"must be a whole number, 0 or more, but is {text!r} instead"
        )
    return int(text)


def threads(text: str) -> int:
    """Parses a number of threads; torch ends the process where there are too many."""
    most = Clock.MOST_THREADS
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 1 to {most}, but is {text!r} instead"
        )
    return int(text)


def port(text: str) -> int:
    """Parses a port; 0 stands for any that is free."""
    if not text.isdecimal() or int(text) > MOST_PORT:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to {MOST_PORT}, but is {text!r} instead"
        )
    return int(text)


def device(text: str) -> str:
    """Parses a device, on which a number must come out of a computation."""
    if text == "cpu":  # the default: nothing heavy is imported for it
        return text
    import torch

    try:
        torch.zeros(1, device=text).item()
    except (RuntimeError, AssertionError):  # the latter without CUDA in torch
        raise argparse.ArgumentTypeError(
            f"must be one that torch can compute on here, but is {text!r} instead"
        ) from None
    return text
