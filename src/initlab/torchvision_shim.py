"""Let torchvision be imported where its compiled library cannot be loaded.

torchvision's wheel on PyPI is built for CUDA. Beside a CPU-only torch its library does not load, and
``import torchvision`` then dies with "operator torchvision::nms does not exist", because the package
registers fake kernels for two operators that nothing has declared. Declaring their schemas first is all
that it needs; the operators themselves stay unavailable and are not used here. Lightning imports
torchvision through torchmetrics, so the cure must be armed in every process: ``import initlab`` does it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: list[object] = []  # a torch.library.Library undeclares its operators when it is collected


def arm() -> None:
    """Act on the first import of torchvision in this process; a second call changes nothing."""
    if "torchvision" not in sys.modules and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def library_loads(package: Path) -> bool:
    """Say whether torchvision's compiled library, beside ``package``, can be loaded."""
    import torch

    libraries = [*package.glob("_C.so"), *package.glob("_C.pyd"), *package.glob("_C.*.so")]
    if not libraries:
        return False
    try:
        torch.ops.load_library(str(libraries[0]))
    except OSError:
        return False
    return True


def declare_operators() -> None:
    """Declare the operators that torchvision's Python side registers fake kernels for."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        library.define(schema)
    _kept.append(library)


class _Finder(MetaPathFinder):
    """Finds torchvision as usual, and runs the cure before its first line."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torchvision":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None and spec.origin is not None:
            spec.loader = _Cured(spec.loader, Path(spec.origin).parent)
        return spec


class _Cured(Loader):
    """Runs the cure, then the package's own loader."""

    def __init__(self, loader: Loader, package: Path) -> None:
        self.loader, self.package = loader, package

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Not when it is found: one may look for a package without importing it.
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
        if not library_loads(self.package):
            declare_operators()
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        module.__loader__ = self.loader
        self.loader.exec_module(module)
