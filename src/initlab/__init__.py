"""Experiments on how neural networks should be initialized and normalized.

Importing the package imports neither torch nor torchvision; it only arms the cure for a torchvision whose
C++ library cannot be loaded (:mod:`initlab.torchvision_shim`), in every process that imports it.
"""

from typing import Any

from initlab import torchvision_shim

__version__ = "0.1.0"
__all__ = ["initialize"]

torchvision_shim.arm()


def __getattr__(name: str) -> Any:
    """Load :func:`initlab.init.initialize` on first use, since it needs torch."""
    if name == "initialize":
        from initlab.init import initialize

        return initialize
    raise AttributeError(f"module 'initlab' has no attribute {name!r}")
