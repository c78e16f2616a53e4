"""What was computed once and may be asked for again."""

from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")
MOST = 2**16  # entries, some MB: text without end must not fill the memory


class Memo(dict[Key, Value], Generic[Key, Value]):
    """A dictionary that computes what it does not hold, and forgets all when full.

    Args:
        make: key → value.
    """

    def __init__(self, make: Callable[[Key], Value]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: Key) -> Value:
        value = self.make(key)
        if len(self) >= MOST:
            self.clear()
        self[key] = value
        return value
