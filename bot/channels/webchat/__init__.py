"""The web chat: a strict chat server in the process, a session for aiogram in front, a fan-out to the pages."""
