"""TCP conversations understood: what a capture shows of each way's segments, acknowledgments, losses, waits, and why.

It reads packets as they come and keeps a bounded amount of each conversation; nothing here prints or opens a file.
"""
