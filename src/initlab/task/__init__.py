"""What a run does: build the parts named in the config, run them, record the result."""

from initlab.task.run import run_task

__all__ = ["run_task"]
