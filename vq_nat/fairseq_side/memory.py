"""Owns how much memory a training on a CPU keeps between its updates.

oneDNN compiles a program for each shape of a product, and torch keeps what wraps it:
1,024 of both, some 0.5 MB each. Batches of text have all shapes, so hardly any program
is used again after its batch; but they lie between the tensors that come and go, and
leave holes that the next tensor does not fit into. A model of 7 million parameters took
4.8 GB after some hundred updates. With as many programs as one batch needs it trains in
the same time.
"""

from __future__ import annotations

import os
from functools import wraps
from typing import Any

from fairseq.trainer import Trainer

ENOUGH = "64"  # shapes of products; a batch of ours has about 30
# Each is read once, at the first product; what a user has set wins.
CAPACITIES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")


def keep_few_products() -> None:
    """Lets trainings, and only these, keep few compiled products.

    Decoding has few shapes, which come again in every sentence.
    """
    make = Trainer.__init__
    if hasattr(make, "__wrapped__"):
        return

    @wraps(make)
    def init(self: Trainer, *parts: Any, **options: Any) -> None:
        for name in CAPACITIES:
            os.environ.setdefault(name, ENOUGH)
        make(self, *parts, **options)

    Trainer.__init__ = init
