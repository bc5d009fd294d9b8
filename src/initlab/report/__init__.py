"""Tables and figures, from results and published numbers alone."""
