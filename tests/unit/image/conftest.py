"""What all tests of images share."""

import pytest

from vq_nat.image import data


@pytest.fixture(autouse=True)
def forget() -> None:
    """Lets each test read anew."""
    data._stored.cache_clear()
