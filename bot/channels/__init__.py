"""The ways to reach people: Telegram, the web chat, and where a conversation with either stands."""
