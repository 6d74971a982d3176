"""Bytes to fields and fields to bytes, and nothing else: no state, no clock, no sockets.

Every parser takes a memoryview and a length, reads nothing beyond it, and raises `hythe.errors.ParseError` for
anything it cannot accept.
"""
