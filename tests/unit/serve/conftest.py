"""What the tests of the service share."""

from collections.abc import Iterator

import pytest

from tests.unit.serve.doors import Served


@pytest.fixture
def served() -> Iterator[Served]:
    """A service without a token."""
    with Served() as one:
        yield one
