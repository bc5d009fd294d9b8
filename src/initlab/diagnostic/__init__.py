"""Measurements of a network on a batch; one module each."""
