"""The answering end of a session's API: HTTP on its Unix socket, in the loop that carries the traffic.

Traffic goes first. Start-up pays for the listening socket alone (`door`); everything else is imported when the first
request comes. Answers are made in small pieces with the loop's turn between them, are written as the caller reads them, and
what happens is told to listeners by bounded queues; with no listener it costs the look at an empty list.
"""
