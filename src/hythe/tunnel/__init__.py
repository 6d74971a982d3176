"""Carrying packets and streams past networks that would look at them or stop them: WireGuard, SSH, SOCKS."""
