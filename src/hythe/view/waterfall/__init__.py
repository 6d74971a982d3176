"""The waterfall of a session: one line a connection on a common axis of time, as a browser's network tab has it.

`model` makes it of what the session's API tells, whether that came from a running session or stands in this process; `text`
and `page` draw it, and its JSON is the model's fields.
"""
