"""One thread per test process: the suite runs in as many processes as there are cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

import initlab  # noqa: F401  (arms the torchvision cure before anything imports lightning or timm)

torch.set_num_threads(1)
# Never a timed test. A check of a change draws the same examples each time; at the desk they are new ones.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def compose(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Compose the configuration of a run that writes below the test's folder."""
    from initlab.sweep.compose import Composer, config_loader

    def composed(*arguments: str) -> dict[str, Any]:
        with config_loader() as loader:
            return Composer(loader).compose([f"paths.output_dir={tmp_path / 'out'}", *arguments])

    return composed
