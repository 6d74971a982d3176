"""Packets as lines of text, in the words of tcpdump 4.99: one file a protocol, put together by `printer`."""
