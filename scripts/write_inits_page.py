"""Try every init on a small network of each kind with each norm, and write what fits: `make docs`.

Writes src/initlab/init/fits.json and docs/inits.md.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import components  # noqa: E402
from initlab.cli.inits import FITS, page, strategies  # noqa: E402


def main() -> None:
    """Write both files."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # an isometry that a stride makes partial, a parameter that no init sets
    tried = {init: components.fits(init) for init in components.names("init")}
    FITS.write_text(json.dumps(tried, indent=1) + "\n", encoding="utf-8")
    (ROOT / "docs" / "inits.md").write_text(page(strategies()), encoding="utf-8")


if __name__ == "__main__":
    main()
