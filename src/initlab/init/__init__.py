"""Initialization strategies; one module each, named as in ``init=<name>``."""

from initlab.init.base import Init, SiteInit, initialize, named_init

__all__ = ["Init", "SiteInit", "initialize", "named_init"]
