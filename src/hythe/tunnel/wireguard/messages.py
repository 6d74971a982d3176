"""The four messages of WireGuard on a wire (paper, 5.4), fields only. All numbers are little-endian."""

from __future__ import annotations

import struct
from typing import Final

INITIATION: Final = 1
RESPONSE: Final = 2
COOKIE_REPLY: Final = 3
DATA: Final = 4

#: Type and three reserved zeros, as one number; and the index behind them: the sender's of an initiation and a response,
#: the receiver's of a cookie reply and of data.
KIND: Final = struct.Struct("<II")

MAC_SIZE: Final = 16
TAG_SIZE: Final = 16
TIMESTAMP_SIZE: Final = 12
COOKIE_SIZE: Final = 16
COOKIE_NONCE_SIZE: Final = 24

#: type, sender, ephemeral, static (sealed), timestamp (sealed); MAC1 and MAC2 follow.
INITIATION_BODY: Final = struct.Struct("<II32s48s28s")
#: type, sender, receiver, ephemeral, nothing (sealed); MAC1 and MAC2 follow.
RESPONSE_BODY: Final = struct.Struct("<III32s16s")
#: type, receiver, nonce, cookie (sealed).
COOKIE_BODY: Final = struct.Struct("<II24s32s")
#: type, receiver, counter; the sealed packet follows.
DATA_HEAD: Final = struct.Struct("<IIQ")

INITIATION_SIZE: Final = INITIATION_BODY.size + 2 * MAC_SIZE
RESPONSE_SIZE: Final = RESPONSE_BODY.size + 2 * MAC_SIZE
#: The least there is: an empty packet, which is a keepalive.
DATA_SIZE: Final = DATA_HEAD.size + TAG_SIZE
#: The nonce of a data message: four zeros and the counter.
NONCE: Final = struct.Struct("<4xQ")

SIZES: Final = ((INITIATION, INITIATION_SIZE), (RESPONSE, RESPONSE_SIZE), (COOKIE_REPLY, COOKIE_BODY.size))


def handshake_kind(message: bytes) -> int:
    """The type of a handshake message or a cookie reply of the right length; 0 for anything else."""
    if len(message) < KIND.size:
        return 0
    kind = int.from_bytes(message[:4], "little")
    return kind if (kind, len(message)) in SIZES else 0
