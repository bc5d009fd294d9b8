"""Normalizations; one module each, named as in norm=<name>."""
