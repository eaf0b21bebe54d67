"""The web chat page's own words: key -> English msgid, translated through the catalogues.

Placeholders in braces are filled in by the page itself, so a translation keeps them as they are.
"""

from bot.texts import N_

PAGE_TEXTS: dict[str, str] = {
    # The frame of the page
    "tagline": N_("Intellectual property, appointments, events"),
    "sample": N_("Sample data"),
    "sample_hint": N_("Experts and upcoming events shown here are invented examples."),
    "language": N_("Language"),
    "conversation": N_("Conversation"),
    "no_script": N_("This chat needs JavaScript. Please switch it on and load the page again."),
    # Before the first message
    "empty_title": N_("Good to have you here."),
    "empty_text": N_(
        "Ask about the CIPO role and the programme, book an appointment with an expert, "
        "or be reminded of the next forum."
    ),
    "empty_start": N_("Start the conversation"),
    "empty_question_role": N_("What does a CIPO do?"),
    "empty_question_booking": N_("How do I book an appointment?"),
    # Writing
    "compose": N_("Write a message"),
    "placeholder": N_("Message"),
    "send": N_("Send"),
    "commands": N_("Commands"),
    "commands_found": N_("Commands found: {count}"),
    "replies": N_("Suggested replies"),
    "show_replies": N_("Show suggested replies"),
    "hide_replies": N_("Hide suggested replies"),
    "phone_placeholder": N_("Phone number"),
    "characters_left": N_("Characters left: {count}"),
    "too_long": N_("Characters too many: {count}. Please shorten the message."),
    # Messages
    "you": N_("You"),
    "message_label": N_("{name}, {time}"),
    "buttons": N_("Buttons"),
    "edited": N_("edited"),
    "message_changed": N_("Message changed: {text}"),
    "show_more": N_("Show more"),
    "show_less": N_("Show less"),
    "show_hidden": N_("Hidden text. Press to show it."),
    "download": N_("Download {name}, {size}"),
    "copied": N_("Copied"),
    "copy_failed": N_("Copying was not possible. The text: {text}"),
    "typing": N_("{name} is writing"),
    "to_newest": N_("To the newest message"),
    "to_newest_unread": N_("To the newest message. New messages: {count}"),
    # Sending and connection
    "sending": N_("Sending"),
    "sent": N_("Sent"),
    "not_sent": N_("Not sent."),
    "try_again": N_("Try again"),
    "edit": N_("Edit"),
    "connecting": N_("Connecting"),
    "offline": N_("No connection at the moment. What you write is kept and sent when it is back."),
    "connect_now": N_("Connect now"),
    "no_answer": N_("No answer came. Please press the button again."),
    # Dialog
    "notice": N_("Please note"),
    "close": N_("OK"),
    "open_link": N_("Open the link"),
}
