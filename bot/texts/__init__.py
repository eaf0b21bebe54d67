"""What people read: catalogues, templates, and the channel-free values `Message` and actions."""

from bot.texts.actions import Action, decode
from bot.texts.message import Button, Document, Message, ReplyKeyboard, one_line
from bot.texts.translator import LOCALES, N_, Localized, Texts, Translator, city

__all__ = [
    "LOCALES",
    "N_",
    "Action",
    "Button",
    "Document",
    "Localized",
    "Message",
    "ReplyKeyboard",
    "Texts",
    "Translator",
    "city",
    "decode",
    "one_line",
]
