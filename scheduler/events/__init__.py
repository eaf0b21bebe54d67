"""Forums and training: what is on, who comes, and what those who come are told.

`Events` holds the use cases; values.py what they take and give; kinds.py the messages; files.py the
calendar file; sample.py invented events for a first look.
"""
