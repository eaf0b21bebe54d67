"""The web door: the chat page, its socket and plain-HTTP fallback, downloads, health."""
