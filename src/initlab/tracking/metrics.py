"""The metrics of a run that W&B knows by name, and what is best of each."""

from __future__ import annotations

BEST = {
    "train/loss": "min",
    "val/loss": "min",
    "train/acc": "max",
    "val/acc": "max",
}
"""Of the metrics of an epoch those that have a best value: the summary then holds ``<name>.min`` or ``.max``,
and ``<name>.last``."""

ADDED = ("scale", "numbers_version")
"""Keys of the config of a W&B run that the run's own has not."""

EPOCH = ("epoch", "step", "lr", "seconds", *BEST)
"""The columns of ``metrics.csv``."""

FITTED = ("best/val_acc", "best/epoch", "test/loss", "test/acc")
"""The further metrics of a fit that came to its end."""

PLAYED = (
    "epoch", "step", "lr", "frames", "episodes", "train/return", "train/length", "train/entropy",
    "train/policy_loss", "train/value_loss", "train/loss", "frames_per_s", "seconds",
)  # fmt: skip
"""The columns of ``metrics.csv`` of a run that plays."""

PLAYED_SCORE = "train/mean_return"
"""Of a run that plays, over all its episodes: the earlier it learned, the higher."""

ALWAYS = ("status", "diverged")
"""In every run's summary: the status, in words, and 1 where it is ``diverged``, else 0, so that a mean over
seeds is the share of runs that diverged."""

MEASURED = {
    "gradient": ("gradient/loss",),
    "hessian": ("hessian/spectral_norm", "hessian/log10_spectral_norm"),
    "jacobian": ("jacobian/sigma_max", "jacobian/sigma_min", "jacobian/num_zero"),
    "summary": ("summary/parameters", "summary/flops"),
}
"""Of the diagnostics that tell of the whole network, the metrics that a dashboard draws."""
