"""What an experiment's file says at its head to a reader of its results."""

from __future__ import annotations

from initlab.configs_dir import configs_dir

OPEN, LAPTOP = "Open in the paper", "Laptop form"
PARTS = ("Paper", OPEN, LAPTOP)


def sentences(claim: str, reduced: bool) -> tuple[str, ...]:
    """Return what the paper leaves open and, of a reduced sweep, every cut; none where there is no such file.

    Args:
        claim: name of its experiment, ``arpit2019/fig4``.
        reduced: whether the sweep is the laptop form.
    """
    path = configs_dir() / "experiment" / f"{claim}.yaml"
    if not path.is_file():
        return ()
    told: dict[str, list[str]] = {}
    part = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line == "defaults:":
            break
        words = line.removeprefix("#").strip()
        name = words.partition(":")[0]
        part = name if name in PARTS else "" if line.startswith("#   ") else part
        if part:
            told.setdefault(part, []).append(words)
    wanted = (LAPTOP, OPEN) if reduced else (OPEN,)
    return tuple(" ".join(told[name]) for name in wanted if name in told)
