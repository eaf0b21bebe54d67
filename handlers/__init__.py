"""The doors: everything the outside world calls. Each parses, calls one use case and shows one message."""
