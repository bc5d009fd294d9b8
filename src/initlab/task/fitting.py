"""``python -m initlab.task.fitting``: which inits, norms and networks do not fit together, without training.

As a program it reads configurations, one JSON line each, and answers each with a line before it reads the
next; :func:`verdicts` does so in this process. The network is built for the data of the configuration and
initialized as in a run, with stand-ins for the random weights (:func:`initlab.init.draw.stand_ins`), and
without data: an init that looks at a batch is asked up to there.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from initlab.data.base import Source
from initlab.errors import ConfigError, Refused
from initlab.init import draw
from initlab.task.build import build, build_init, build_model, generator

Verdict = Literal["fits", "refused", "wrong"]


def verdict(config: Mapping[str, Any]) -> tuple[Verdict, str]:
    """Say whether ``init``, ``norm``, ``model`` and the shapes of the data fit together, and else why not.

    ``refused``: the run would be; ``wrong``: a value makes no sense in any run. What cannot be told without
    the data, or not at all, fits: the run itself will say it.
    """
    unread: Any = ()  # in place of a batch: an init that reads it raises, and stops there
    try:
        with draw.stand_ins(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source, init = _source(config), build_init(config)
            init(build_model(config, source), generator(0), unread)
    except Refused as refusal:
        return "refused", str(refusal)
    except ConfigError as error:
        return "wrong", str(error)
    except Exception:
        return "fits", ""
    return "fits", ""


def verdicts(combinations: Sequence[str]) -> list[tuple[Verdict, str]]:
    """Say so of each configuration, in JSON."""
    return [verdict(json.loads(parts)) for parts in combinations]


def _source(config: Mapping[str, Any]) -> Source:
    if "rl" not in config:
        source: Source = build(config["data"])
        return source
    from initlab.task.rl_source import rl_source  # which wants an optional package

    return rl_source(config)


def main() -> None:
    """Answer every line of stdin."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a part prints is no answer
    for line in sys.stdin:
        print(json.dumps(verdict(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
