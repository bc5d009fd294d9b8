"""What tests of reinforcement learning share: whether its packages are there, and small runs."""

from importlib.util import find_spec

import pytest

needs_rl = pytest.mark.skipif(
    find_spec("gymnasium") is None or find_spec("ale_py") is None,
    reason="gymnasium or ale-py is not installed: pip install 'initlab[rl]'",
)
# Runs of seconds, as a person types them.
SMALL = [
    "task=rl",
    "rl=catch",
    "optim=rmsprop",
    "lr=0.005",
    "schedule=constant",
    "rl.num_workers=1",
    "rl.frames_per_epoch=400",
    "epochs=2",
    "trainer.accelerator=cpu",
    "trainer.num_threads=1",
]
PLAY = [*SMALL, "model=mlp", "model.depth=1", "model.width=32"]
