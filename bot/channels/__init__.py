"""The ways to reach people. What is here and in `telegram_html` knows no aiogram."""

from bot.channels.send_keys import next_send_key, sending

__all__ = ["next_send_key", "sending"]
