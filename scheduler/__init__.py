"""Everything that has a time: appointments, events, reminders, and the calendar files of these."""
