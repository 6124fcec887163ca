"""The project's ruler: ``python -m benchmarks`` times every job beside its named alternative, in one run."""
