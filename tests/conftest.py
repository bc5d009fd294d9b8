"""One thread per test process: the suite runs in as many processes as there are cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

import initlab  # noqa: F401  (arms the torchvision cure before anything imports lightning or timm)

torch.set_num_threads(1)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)
