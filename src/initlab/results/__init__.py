"""Run identity, the typed result of a run, and the store that reads them."""
