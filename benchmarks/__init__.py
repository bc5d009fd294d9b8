"""Programs that measure time and memory: ``python -m benchmarks``, or one of its sections alone."""
