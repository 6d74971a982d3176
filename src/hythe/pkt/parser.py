"""Tokens to events: times, system calls with what they return, shell lines and code. Packets are `packets`'s.

A recursive descent with one token of look-ahead. The grammar is packetdrill's as its documentation shows it: whoever
makes a mistake is told the line, what was expected there, and what stands there instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.pkt.defines import usual
from hythe.pkt.lexer import marker, unquote
from hythe.pkt.packets import packet
from hythe.pkt.reader import Reader
from hythe.pkt.script import (
    ANYTHING,
    Anything,
    Apply,
    Call,
    Code,
    Event,
    Expression,
    Name,
    Script,
    ScriptError,
    Shell,
    Struct,
    Time,
)
from hythe.pkt.settings import settings
from hythe.units import SECOND

#: Nothing is defined.
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def parse(path: str, text: str, defined: Mapping[str, str] = NOTHING) -> Script:
    """The script of a file; `defined`: words and what stands for them, beside those it defines. Raises `ScriptError`."""
    reader = Reader(path, text)
    script = Script(path)
    script.only, script.reason = marker(text)
    own: dict[str, str] = {}
    while reader.token.kind == "option":
        token = reader.take()
        name, _, value = (part.strip() for part in token.text[2:].split("//")[0].partition("="))
        if name == "define":
            word, _, value = value.partition("=")
            own[word] = value
        else:
            script.options.append((token.line, name, value.strip('"')))
    reader.expand({**usual(settings(script)), **defined, **own})
    while reader.token.kind != "end":
        token = reader.token
        if token.kind == "shell":
            reader.take()
            script.events.append(Event(token.line, Time(0, relative=True), Shell(token.text[1:-1])))
        else:
            script.events.append(_event(reader))
    if not script.events:
        raise ScriptError(path, 1, "expected at least one event, for example: 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3")
    return script


def _event(reader: Reader) -> Event:
    line = reader.token.line
    time, blocks_until = _time(reader)
    token = reader.token
    if token.kind == "shell":
        reader.take()
        return Event(line, time, Shell(token.text[1:-1]))
    if token.kind == "code":
        reader.take()
        return Event(line, time, Code(token.text[2:-2]))
    if token.text in ("<", ">", "inbound", "outbound"):
        return Event(line, time, packet(reader))
    if token.kind == "word" and reader.ahead("("):
        return Event(line, time, _call(reader, blocks_until))
    raise reader.wrong("a packet (< or >), a system call, %{ code }% or a `shell line` after the time")


# --- Times


def _time(reader: Reader) -> tuple[Time, int | None]:
    if reader.skip("*"):
        return Time(0, relative=True, any=True), None
    relative = reader.skip("+")
    at = _seconds(reader)
    if reader.skip("~"):
        also_relative = reader.skip("+")
        until = _seconds(reader)
        if relative != also_relative:
            reader.fail("both ends of a range of time relative (+0.1~+0.2) or neither (0.1~0.2)")
        if until < at:
            reader.fail("a range of time that ends after it begins")
        return Time(at, relative, until), None
    if reader.token.kind == "dots" and reader.take():
        reader.skip("+")
        return Time(at, relative), _seconds(reader)
    return Time(at, relative), None


def _seconds(reader: Reader) -> int:
    if reader.token.kind != "number":
        reader.fail("a time in seconds (0, 0.1, +0, +.1, 0.1~0.2 or *)")
    whole, _, fraction = reader.take().text.partition(".")
    return int(whole or 0) * SECOND + int((fraction + "000000000")[:9])


# --- System calls


def _call(reader: Reader, blocks_until: int | None) -> Call:
    name = reader.take().text
    reader.need("(")
    arguments = _expressions(reader, ")")
    reader.need("=", "and what the call returns")
    result: int | Anything = ANYTHING
    if reader.token.kind == "dots" or reader.token.text == "*":
        reader.take()
    else:
        result = reader.number("what the call returns: a number, or * for any")
    error = ""
    if reader.token.kind == "word" and re.fullmatch("E[A-Z0-9]+", reader.token.text):
        error = reader.take().text
    if reader.skip("("):  # what it means, for whoever reads the script
        while not reader.skip(")"):
            if reader.take().kind == "end":
                reader.fail("')' behind the text of the result")
    return Call(name, arguments, result, error, blocks_until)


def _expressions(reader: Reader, end: str) -> tuple[Expression, ...]:
    found: list[Expression] = []
    while not reader.skip(end):
        if found:
            reader.need(",", f"or {end!r}")
        found.append(_expression(reader))
    return tuple(found)


def _expression(reader: Reader) -> Expression:
    terms = [_term(reader)]
    while reader.skip("|"):
        terms.append(_term(reader))
    return terms[0] if len(terms) == 1 else Apply("|", tuple(terms))


def _term(reader: Reader) -> Expression:
    token = reader.token
    if token.kind == "dots":
        reader.take()
        if reader.token.kind == "string" or (reader.touches() and reader.token.kind == "dots"):
            reader.take()
        return ANYTHING
    if token.kind == "string":
        reader.take()
        return unquote(token.text)
    if token.kind == "number" or token.text == "-":
        return reader.number("a whole number")
    if token.kind == "word":
        reader.take()
        if reader.skip("("):
            return Apply(token.text, _expressions(reader, ")"))
        return Name(token.text)
    if reader.skip("["):
        return _expressions(reader, "]")
    if reader.skip("{"):
        return _struct(reader)
    raise reader.wrong('an argument: a number, a name, ..., "text", [list] or {field=value}')


def _struct(reader: Reader) -> Struct:
    fields: list[tuple[str, Expression]] = []
    while not reader.skip("}"):
        if fields:
            reader.need(",", "or '}'")
        value = _expression(reader)
        name = str(len(fields))
        if reader.skip("="):
            if not isinstance(value, Name | Apply):
                reader.fail("a name to the left of '='")
            name = value.text if isinstance(value, Name) else value.function  # msg_iov(1)=[…]
            value = _expression(reader)
        fields.append((name, value))
    return Struct(tuple(fields))
