"""Send the runs that were kept offline, several at a time; those that were sent before are passed over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-m", "wandb", "sync")
AT_ONCE = 200  # files named in one command


@dataclass(frozen=True)
class Sent:
    """What became of the files.

    Args:
        sent: those that W&B has.
        failed: those that it has not.
        reason: the last line that wandb printed.
    """

    sent: tuple[Path, ...]
    failed: tuple[Path, ...]
    reason: str


def offline_files(output_dir: Path) -> list[Path]:
    """Return the newest offline file of each W&B run below the output folder, those of reports too.

    Each holds the whole of its run (:class:`initlab.tracking.run.WandbRun`), so the older ones are not sent.
    """
    found = [
        path
        for pattern in ("runs/*/wandb", "wandb")
        for path in output_dir.glob(f"{pattern}/offline-run-*/run-*.wandb")
    ]
    newest = {path.stem: path for path in sorted(found, key=lambda path: path.parent.name)}
    return sorted(newest.values())


def is_sent(path: Path) -> bool:
    """Whether W&B has a file as it stands: wandb marked it when it had sent it, and nothing came after."""
    marker = path.with_suffix(".wandb.synced")
    return marker.exists() and marker.stat().st_mtime_ns >= path.stat().st_mtime_ns


def send(paths: Sequence[Path], num_jobs: int) -> Sent:
    """Send files with ``wandb sync``, at most ``num_jobs`` at a time.

    Args:
        paths: of :func:`offline_files`.
        num_jobs: how many runs at a time.
    """
    reason = ""
    for start in range(0, len(paths), AT_ONCE):
        some = [str(path) for path in paths[start : start + AT_ONCE]]
        # Marked files are named too: a run that was sent while it went has the marker of its first half.
        command = [*COMMAND, "--include-synced", "-n", str(num_jobs), *some]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        reason = next((line for line in reversed(done.stdout.splitlines()) if line.strip()), reason)
    sent = tuple(path for path in paths if is_sent(path))
    return Sent(
        sent, tuple(path for path in paths if path not in sent), reason.removeprefix("wandb: ").strip()
    )
