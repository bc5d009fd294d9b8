"""A run that takes a second, as a person types it, and the type of the ``compose`` fixture."""

from collections.abc import Callable
from typing import Any

Compose = Callable[..., dict[str, Any]]
TINY = [
    "debug=smoke",
    "model=mlp",
    "model.depth=2",
    "model.width=16",
    "batch_size=64",
    "trainer.num_threads=1",
]
