"""Data sets; one module each, named as in data=<name>."""
