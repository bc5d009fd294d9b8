"""Networks; one module each, named as in model=<name>."""
