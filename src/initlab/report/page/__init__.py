"""The HTML page of a claim: one file that works offline, and an index of all of them."""
