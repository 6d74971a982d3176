"""What there is to show of a packet: headers with their fields, and tables with their rows. No rendering here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

APPLICATION: Final = "Application"
TRANSPORT: Final = "Transport"
NETWORK: Final = "Network"
DATA_LINK: Final = "Data Link"
PHYSICAL: Final = "Physical"

DOWN: Final = "down"
UP: Final = "up"


@dataclass(slots=True)
class Field:
    """One field of a header. `offset` and `width` in bits, from the first of the header; `value` as the bits spell it.

    `text`: the value as people write it. `meaning`: what it says here. `reference`: where that is laid down.
    """

    name: str
    offset: int
    width: int
    value: int
    text: str
    meaning: str
    reference: str


@dataclass(slots=True)
class Header:
    """One header. `at`: its first byte in the packet.

    `pdu`: what the layer calls what begins here; "" for a header that belongs to the one before it (a tag, an extension)
    and has no row of its own.
    """

    name: str
    layer: str
    pdu: str
    at: int
    reference: str
    fields: list[Field] = field(default_factory=list)

    def find(self, name: str) -> Field | None:
        """The first field of this name; None if the packet ends before it."""
        return next((each for each in self.fields if each.name == name), None)

    def value(self, name: str, default: int = 0) -> int:
        """Its value."""
        found = self.find(name)
        return default if found is None else found.value

    def text(self, name: str) -> str:
        """Its text; "" if the packet ends before it."""
        found = self.find(name)
        return "" if found is None else found.text

    def meaning(self, name: str) -> str:
        """What it means here; "" if the packet ends before it, too."""
        found = self.find(name)
        return "" if found is None else found.meaning

    def explain(self, name: str, meaning: str) -> None:
        """Say of a field what only the rest of the packet tells."""
        found = self.find(name)
        if found is not None:
            found.meaning = meaning

    @property
    def size(self) -> int:
        """Bytes that its fields take."""
        return max((each.offset + each.width + 7) // 8 for each in self.fields) if self.fields else 0


@dataclass(slots=True)
class Dissection:
    """One packet, read as far as it goes: `headers` from the outermost, then `payload`.

    `broken`: where reading ended, if not well. `length`: bytes the packet had when it was captured. `link`: has it
    a link-layer header? `payload_size`: bytes the payload has, of which the capture may have kept fewer.
    """

    data: bytes
    length: int
    link: bool
    headers: list[Header]
    payload_at: int
    payload_end: int
    payload_size: int
    broken: str = ""

    @property
    def payload(self) -> bytes:
        """What the innermost header carries, padding left out."""
        return self.data[self.payload_at : self.payload_end]

    def header(self, layer: str) -> Header | None:
        """The innermost header of a layer that has a row."""
        return next((each for each in reversed(self.headers) if each.layer == layer and each.pdu), None)


#: A name and what it stands for, (`Src Port`, `35310`): the cells of a row that hold addresses.
Ends = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Row:
    """One layer of one packet. `begin`, `end`: the bytes of the packet that are its unit of data."""

    layer: str
    protocol: str
    pdu: str
    info: str
    ports: Ends = ()
    addresses: Ends = ()
    macs: Ends = ()
    begin: int = 0
    end: int = 0


@dataclass(slots=True)
class Table:
    """What one host does with a packet: the sender's rows go `DOWN`, the receiver's `UP`. `host`: its address, if known."""

    side: str
    direction: str
    host: str
    rows: list[Row]


@dataclass(slots=True)
class Shown:
    """One packet of a conversation. `title`: what it is, in a few words. `time` in nanoseconds since 1970."""

    number: int
    time: int
    title: str
    source: str
    destination: str
    dissection: Dissection
    tables: tuple[Table, Table]


def bits(data: bytes) -> str:
    """As they go over a wire, most significant first, an octet at a time: ``01001000 01010100``."""
    return " ".join(f"{octet:08b}" for octet in data)
