"""Figures of the docs, each from a command that anyone can run: `make bench`, or `python -m benchmarks.updates`."""
