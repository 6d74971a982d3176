"""Readers: what a session, a capture or a host shows to people. A view changes nothing."""
