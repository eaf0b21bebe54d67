"""Figures of the docs, each from a command that anyone can run, such as `python -m benchmarks.updates`."""
