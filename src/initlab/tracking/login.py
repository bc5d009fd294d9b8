"""Whether this machine has a W&B account to write to, without importing wandb."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

KEYS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
HOST = "https://api.wandb.ai"
NO_LOGIN = "this machine is not logged in to W&B (`wandb login` or WANDB_API_KEY changes that)"


def logged_in() -> bool:
    """Whether a key stands in the environment, or in the netrc file for the host of ``WANDB_BASE_URL``."""
    if any(os.environ.get(name) for name in KEYS):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", HOST)).netloc
    path = os.environ.get("NETRC") or Path.home() / ("_netrc" if os.name == "nt" else ".netrc")
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
