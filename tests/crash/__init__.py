"""kill -9 of real processes at any moment: what was accepted is worked off, once, in order."""
