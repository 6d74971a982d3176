"""Carrying packets and streams encrypted, past networks that would look at them or stop them."""
