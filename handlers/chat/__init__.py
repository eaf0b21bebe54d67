"""The chat door: one aiogram router a topic, the same for Telegram and the web chat."""
