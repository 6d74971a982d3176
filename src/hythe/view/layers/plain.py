"""A packet's tables and fields as plain dictionaries, for `--json` and for whoever else draws them."""

from __future__ import annotations

from typing import Any

from hythe.view.layers.model import Dissection, Field, Header, Row, Shown, bits

#: Greater numbers than this lose their last digits in many readers of JSON (RFC 8259, 6): they are hexadecimal text.
_EXACT = 53


def plain(shown: Shown) -> dict[str, Any]:
    """Everything of one packet."""
    found = shown.dissection
    return {
        "number": shown.number,
        "time": shown.time / 1_000_000_000,
        "title": shown.title,
        "source": shown.source,
        "destination": shown.destination,
        "length": found.length,
        "broken": found.broken or None,
        "tables": [
            {
                "side": table.side,
                "direction": table.direction,
                "host": table.host,
                "rows": [_row(row, found) for row in table.rows],
            }
            for table in shown.tables
        ],
        "headers": [_header(header) for header in found.headers],
        "payload": found.payload.hex(),
    }


def _row(row: Row, found: Dissection) -> dict[str, Any]:
    return {
        "layer": row.layer,
        "protocol": row.protocol,
        "pdu": row.pdu,
        "info": row.info,
        "ports": dict(row.ports),
        "ips": dict(row.addresses),
        "macs": dict(row.macs),
        "bits": bits(found.data[row.begin : row.end]),
    }


def _header(header: Header) -> dict[str, Any]:
    return {
        "name": header.name,
        "layer": header.layer,
        "offset": header.at,
        "size": header.size,
        "reference": header.reference,
        "fields": [_field(each) for each in header.fields],
    }


def _field(field: Field) -> dict[str, Any]:
    value: int | str = field.value
    if field.width > _EXACT:
        value = f"{field.value:0{field.width // 4}x}"
    return {
        "name": field.name,
        "offset_bits": field.offset,
        "width_bits": field.width,
        "value": value,
        "text": field.text,
        "meaning": field.meaning,
        "reference": field.reference,
    }
