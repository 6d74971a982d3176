"""What travels over the control socket (SOCK_SEQPACKET): one byte of kind, then the rest.

    keeper, init → hythe    DEVICES (offloads, with four descriptors), WARNING and ERROR (a sentence), BUG (a
                            traceback), READY
    init → hythe            CAPTURE (with a descriptor or two), where a capture was asked for
    hythe → init            GO, SIGNAL (its number)

Init and the keeper have a socket pair of their own, for job control:

    init → keeper           STOPPED (by which signal), ENDED (but others are waited for)
    keeper → init           CONTINUE
"""

DEVICES = b"D"
CAPTURE = b"P"
WARNING = b"W"
ERROR = b"E"
BUG = b"B"
READY = b"R"

GO = b"G"
SIGNAL = b"S"

STOPPED = b"Z"
ENDED = b"L"
CONTINUE = b"C"

#: No message is longer; a sentence or traceback that would be is cut.
MESSAGE_MAX = 32_768
