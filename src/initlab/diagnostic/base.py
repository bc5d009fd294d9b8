"""What a diagnostic is: a function of (module, batch) that returns a typed, printable measurement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from torch import Generator, Tensor, nn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Batch = tuple[Tensor, Tensor]


class Measurement(Protocol):
    """The typed result of one diagnostic."""

    def metrics(self) -> Mapping[str, float | int | None]:
        """Return the numbers for ``result.json``, under names such as ``jacobian/sigma_max``."""

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return one row per layer (or block) for the CSV table."""

    def figure(self) -> Figure:
        """Draw the measurement."""


class Diagnostic(ABC):
    """A measurement of a network on one batch; its arguments come from ``configs/diagnostic/<name>.yaml``."""

    @abstractmethod
    def __call__(self, model: nn.Module, batch: Batch, generator: Generator) -> Measurement:
        """Measure ``model`` and leave it as it was (parameters, gradients, mode, hooks).

        Args:
            model: any module that maps inputs to logits.
            batch: inputs ``(N, ...)`` and integer labels ``(N,)``.
            generator: a CPU generator, the only source of randomness.

        Raises:
            InitlabError: with one sentence that names the layer or the argument.
        """
