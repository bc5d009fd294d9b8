"""Weights & Biases: the page of a run, a report beside it, dashboards, and sending what was kept offline."""
