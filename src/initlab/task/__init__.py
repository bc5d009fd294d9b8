"""What a run does: build the parts named in the config, run them, record the result."""
