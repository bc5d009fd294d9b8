"""What networks share: the check of their sizes."""

from initlab.errors import ConfigError


def check_positive(key: str, value: int) -> int:
    """Return ``value``, or say which key must be a positive whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{key}={value}: must be a positive whole number")
    return value
