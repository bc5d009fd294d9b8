"""The Lightning module and its callbacks."""
