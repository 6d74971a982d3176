"""The configuration as JSON schema (2020-12), for editors and whoever makes one."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from hythe.proxy.config import ProxyConfig
from hythe.proxy.kinds import Kind


def document() -> dict[str, Any]:
    """All of it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hythe proxy", **_table(ProxyConfig)}


def _table(kind: type) -> dict[str, Any]:
    known = fields(kind)
    required = [each.name for each in known if each.default is MISSING and each.default_factory is MISSING]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").replace("`", ""),
        "properties": {each.name: _setting(each.metadata["kind"], each.metadata["text"]) for each in known},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _setting(kind: Kind, text: str) -> dict[str, Any]:
    if kind.table is None:
        return {**kind.schema, "description": f"{text} Write {kind.what}."}
    if kind.many:
        return {"type": "array", "items": _table(kind.table), "description": text}
    return {**_table(kind.table), "description": text}
