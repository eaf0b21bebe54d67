"""The machine everyone stands on: settings, clock, storage, people, inbox, outbox, channels, texts."""
