"""What a function launches on a GPU, recorded once and launched again as one."""

from __future__ import annotations

from collections.abc import Callable

import torch

Replay = Callable[[], None]
Capture = Callable[[Replay], Replay]
WARMUPS = 3  # calls before the capture, in which libraries choose their kernels


def capture(function: Replay) -> Replay:
    """Record a function without arguments, and return what repeats it.

    It reads and writes the memory that it read and wrote when it was recorded, which the caller keeps alive.
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARMUPS):
            function()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Threads that pin the batches to come may go on meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        function()
    return graph.replay
