"""What a field is for, where its value means nothing further: every field says something.

By name, since fields of one name are for one thing in any header; what options and records put before a colon is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.layers.model import Header

_MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Link
        "Priority Code Point": "class of service, 7 goes first",
        "Drop Eligible Indicator": "may this frame be dropped before others?",
        "VLAN Identifier": "the virtual network that the frame is of",
        "Hardware Type": "what kind of network the hardware addresses are of",
        "Operation": "request, reply or another",
        "Sender Hardware Address": "who speaks, on the link",
        "Sender Protocol Address": "who speaks",
        "Target Hardware Address": "who is meant, on the link; zero in a request",
        "Target Protocol Address": "who is meant, or asked for",
        # IP
        "Version": "of the protocol",
        "DSCP": "how routers are to treat the packet",
        "Identification": "which fragments belong together",
        "Reserved Flag": "zero, to be ignored",
        "Protocol": "what comes behind this header",
        "Next Header": "what comes behind this header",
        "Header Checksum": "over this header",
        "Checksum": "over the header and what it carries",
        "Source Address": "who sent it",
        "Destination Address": "who is to get it",
        "Flow Label": "packets of one flow have the same",
        "Routing Type": "how the rest is to be read",
        "Segments Left": "stations that are still to be visited",
        "Type-Specific Data": "as the routing type lays down",
        "Pointer": "where the next entry goes, or what is wrong",
        "Overflow": "stations that had no room to say anything",
        "Flag": "what each station writes down",
        # TCP
        "Sequence Number": "of the first byte, or of the message",
        "Acknowledgment Number": "the next byte that is expected",
        "Urgent Pointer": "where urgent data end; counts with URG",
        "Window": "bytes that the sender of this has room for",
        "Left Edge": "first byte of a block that has come",
        "Right Edge": "first byte behind it",
        "TSval": "the sender's clock",
        "TSecr": "the other's clock, sent back",
        "Subtype": "which kind of the option",
        "ExID": "which experiment",
        "KeyID": "the key of this segment",
        "RNextKeyID": "the key to be used from now on",
        # ICMP
        "Type": "kind of message",
        "Code": "kind within the type, or of option",
        "Identifier": "which asker this is for",
        "Gateway": "the router to use instead",
        "Originate": "milliseconds since midnight, when it was sent",
        "Receive": "milliseconds since midnight, when it came",
        "Transmit": "milliseconds since midnight, when the answer left",
        "Target": "the address in question",
        "Redirected Destination": "the address that has a better way",
        "Multicast Address": "the group in question",
        "Current Hop Limit": "to be used for packets; 0: says nothing",
        "Prefix": "addresses that begin so",
        "Prefix Length": "bits of the prefix that count",
        "On-Link": "are addresses of the prefix neighbors?",
        "Autonomous": "may hosts make addresses of the prefix?",
        "Home Agent": "is this router one?",
        # DNS
        "ID": "an answer has its question's",
        "Opcode": "kind of question",
        "Z": "zero, to be ignored",
        "CLASS": "which tree of names",
        "QCLASS": "which tree of names",
        "ADDRESS": "of the name",
        "PREFERENCE": "the lowest is tried first",
        "ORDER": "the lowest is taken first",
        "SvcPriority": "the lowest is tried first; 0: an alias",
        "Weight": "share of the load among equals",
        "Port": "where the service listens",
        "SERIAL": "version of the zone",
        "TXT-DATA": "text",
        "RDATA": "the record's data, as they are",
        "Labels": "of the name that was signed",
        "Key Tag": "which key",
        "Digest": "of the key",
        "Public Key": "as its algorithm lays down",
        "Signature": "over the records of the name and type",
        "Usage": "how the certificate is to be checked",
        "Selector": "whole certificate, or its key",
        "Matching Type": "as it is, or a digest of it",
        "Certificate Association Data": "what the certificate has to match",
        # Any
        "Address": "a station's",
        "Length": "bytes of the option or message",
        "Data": "as the option lays down",
        "Value": "as the option lays down",
        "Flags": "as the option lays down",
        "Padding": "fills up to a boundary",
        "Reserved": "zero, to be ignored",
        "Reserved Bits": "zero, to be ignored",
        "Unused": "zero, to be ignored",
    }
)
_OTHERWISE: Final = "as its reference lays down"


def complete(headers: list[Header]) -> None:
    """Say of each field that has no meaning of its own what it is for."""
    for header in headers:
        for field in header.fields:
            if not field.meaning:
                field.meaning = _MEANINGS.get(field.name.rpartition(": ")[2], _OTHERWISE)
