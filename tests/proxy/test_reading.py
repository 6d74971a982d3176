"""Configurations: what is read, and how a mistake is told."""

from __future__ import annotations

import json
import random
import re
from dataclasses import fields
from pathlib import Path

import pytest

from hythe.errors import UsageError
from hythe.proxy.config import ProxyConfig
from hythe.proxy.flags import configuration
from hythe.proxy.kinds import Listen, hours
from hythe.proxy.lines import line_of, lines
from hythe.proxy.reading import parse, read
from hythe.proxy.schema import document
from hythe.units import MIB, SECOND

WHOLE = """
internal = ["eth0", "10.0.0.0/8"]  # [[not]] a table
external = "eth1"
workers = 2
[[map]]
listen = "10.0.0.1:smtp"
to = [
  "mail.example.com:smtp",
  "[fd00::1]:25",
]
balance = "least-connections"
check = "10s"
[[map]]
listen = "53/udp"
to = "192.0.2.53:domain"
via = "ssh://user@gate.example.com"
[[socks]]
listen = "1080"
login = false
[[http]]
listen = "eth0:3128"
expose = "yes, to everyone"
[[rule]]
action = "allow"
hours = "22:00-06:00"
to = ["*.example.com:443", "10.0.0.0/8"]
[per_client]
connections = 100
rate = "10mbit"
bytes = "10MiB"
[log]
format = "json"
"""


def test_all_of_it() -> None:
    config = parse(WHOLE, "x.toml")
    assert [str(each) for each in config.internal] == ["eth0", "10.0.0.0/8"]
    assert config.map[0].listen == Listen("10.0.0.1:smtp", "10.0.0.1", 25)
    assert config.map[0].to == ("mail.example.com:smtp", "[fd00::1]:25")
    assert config.map[0].check == 10 * SECOND
    assert config.map[1].listen.udp
    assert str(config.map[1].via[0]) == "ssh://user@gate.example.com"
    assert config.http[0].expose
    assert not config.socks[0].expose
    assert config.per_client.bytes == 10 * MIB
    assert config.log.format == "json"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = ", "x.toml:1: this is not TOML: "),
        ("", "x.toml:1: nothing is to be listened on: write a [[map]], [[socks]] or [[http]]"),
        ('[[socks]]\nlisten = "1080"\nlogn = true', "x.toml:3: socks[1].logn: there is no such setting: did you mean"),
        ('[[socks]]\nlisten = "1080"\nzz = 1', "x.toml:3: socks[1].zz: there is no such setting: allowed are listen, login"),
        ("[[socks]]\n", "x.toml:1: socks[1]: listen is missing: a place to listen"),
        ("[[socks]]\nlisten = 1080", "x.toml:2: socks[1].listen: 1080 is not allowed: write a place to listen"),
        ('[[socks]]\nlisten = "70000"', "x.toml:2: socks[1].listen: '70000' is no place to listen"),
        ('[[socks]]\nlisten = "1/udp"', "x.toml:2: socks[1].listen: a proxy listens on TCP"),
        ('[[socks]]\nlisten = "1"\nlogin = true', "x.toml:3: socks[1].login: there is nobody who could log in: add [users]"),
        ('[[socks]]\nlisten = "1"\nexpose = "yes"', "x.toml:3: socks[1].expose: 'yes' is not what opens a port to everyone"),
        ('[[socks]]\nlisten = "1"\n[[http]]\nlisten = "1"', "x.toml:4: http[1].listen: 1 is taken by [[socks]] 1"),
        ('[[map]]\nlisten = "1"\nto = "host"', "x.toml:3: map[1].to: 'host' is no destination: write HOST:PORT"),
        ('[[map]]\nlisten = "1"\nto = []', "x.toml:3: map[1].to: [] is not allowed: write a destination"),
        ('[[map]]\nlisten = "1"\nto = "a:1"\nvia = "wrong"', "x.toml:4: map[1].via: 'wrong' is not a way"),
        ('[[map]]\nlisten = "1"\nto = "a:1"\nbalance = "x"', "x.toml:4: map[1].balance: 'x' is no balance: write failover"),
        ('[[map]]\nlisten = "1/udp"\nto = "a:1"\ncheck = "1s"', "x.toml:4: map[1].check: UDP has no connections"),
        ('map = 1\n', "x.toml:1: map: this is not several tables: begin each with [[map]]"),
        ('log = 1\n', "x.toml:1: log: this is not a table: begin it with [log]"),
        ('[[socks]]\nlisten = "1"\n[users]\nme = "secret"', "x.toml:4: users.me: this is no hash of a password"),
        ('[[socks]]\nlisten = "1"\n[[rule]]\naction="allow"\nusers="x"', "x.toml:5: rule[1].users: there is no user 'x'"),
        ('[[socks]]\nlisten = "1"\n[[rule]]\naction="allow"\nhours="25:00-26:00"', "x.toml:5: rule[1].hours: '25:00"),
        ('[[socks]]\nlisten = "1"\n[[rule]]\naction="allow"\ndays="mon-fry"', "x.toml:5: rule[1].days: 'mon-fry' names no"),
        ('internal = "10.0.0.1/8"\n', "x.toml:1: internal: '10.0.0.1/8' is no network"),
        ('workers = 0\n', "x.toml:1: workers: 0 is too few"),
    ],
)  # fmt: skip
def test_mistakes(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text, "x.toml")
    assert str(error.value).startswith(sentence)


#: What each table needs beside the key that is tried, and what no key may be.
NEEDED = {"listen": '"1"', "to": '"a:1"', "action": '"allow"'}
WRONG = ("5.5", "-1", "[5]", "{a = [1]}", '""', '" "', '"a\\u0000b"', "2026-01-01", "99999999999999999999")


def tables() -> list[tuple[str, str, type]]:
    """Each table: how it begins, what messages call it, and what it may have."""
    found: list[tuple[str, str, type]] = [("", "", ProxyConfig)]
    for each in fields(ProxyConfig):
        kind = each.metadata["kind"]
        if kind.table is not None:
            head = f"[[{each.name}]]" if kind.many else f"[{each.name}]"
            found.append((head, f"{each.name}[1]." if kind.many else f"{each.name}.", kind.table))
    return found


@pytest.mark.parametrize(("head", "shown", "kind"), tables())
def test_every_setting_that_is_wrong_is_told_where_and_what_is_allowed(head: str, shown: str, kind: type) -> None:
    for each in fields(kind):
        if each.metadata["kind"].table is not None:
            continue
        known = {other.name for other in fields(kind)} - {each.name}
        others = [f"{key} = {value}" for key, value in NEEDED.items() if key in known]
        wrong = [] if each.metadata["kind"].schema.get("type") == "boolean" else [*WRONG]
        for key, value in [*((each.name, value) for value in [*wrong, "5.5"]), (f"{each.name}x", "1")]:
            lines = [*([head] if head else []), *others, f"{key} = {value}"]
            with pytest.raises(UsageError) as error:
                parse("\n".join(lines) + '\n[[http]]\nlisten = "99"\n', "x.toml")
            said = str(error.value)
            where = re.escape(f"x.toml:{len(lines)}: {shown}{key}")
            assert re.fullmatch(rf"{where}(\.a)?: [^\n]*(write|did you mean|allowed are|leave|add)[^\n]*", said), (
                value,
                said,
            )


def test_no_secret_is_shown_where_another_is_wrong() -> None:
    with pytest.raises(UsageError) as error:
        parse('[[socks]]\nlisten = "1"\n[users]\nme = "scrypt:sesame"\nyou = 5', "x.toml")
    assert str(error.value) == "x.toml:5: users.you: this is not a text: write one"


def test_the_schema_has_every_setting_and_its_meaning() -> None:
    schema = json.loads(json.dumps(document()))
    assert schema["properties"].keys() == {each.name for each in fields(ProxyConfig)}
    assert schema["properties"]["map"]["items"]["required"] == ["listen", "to"]
    assert schema["properties"]["rule"]["items"]["properties"]["action"]["enum"] == ["allow", "refuse"]
    assert not schema["additionalProperties"]
    for each in schema["properties"].values():
        assert each["description"]


def test_flags_say_the_same() -> None:
    config = configuration(["25=mail.example.com:smtp", "53/udp=192.0.2.1:53"], ["1080"], ["[::1]:3128"], [])
    assert [each.listen.port for each in config.map] == [25, 53]
    assert [each.listen.port for each in (*config.socks, *config.http)] == [1080, 3128]
    assert config.map[0].to == ("mail.example.com:smtp",)
    for maps, words in (
        (["25"], "lacks its destination"),
        (["25=x"], "--map: 'x' is no destination"),
        ([], "nothing is to"),
    ):
        with pytest.raises(UsageError, match=words):
            configuration(maps, [], [], [])
    with pytest.raises(UsageError, match="is taken by"):
        configuration([], ["1080"], ["1080"], [])


def test_lines_of_keys() -> None:
    text = 'a = """\n[x]\n"""\n[b]\nc = [\n 1, # ]\n]\nd = {e = "\\"]"}\n[[f]]\ng.h = 1\n[[f]]\ng = \'[\'\n[f.i]\nj = 2\n'
    found = lines(text)
    assert [line_of(found, path) for path in (("a",), ("b", "c"), ("b", "d", "e"), ("f", 0, "g", "h"), ("f", 1, "g"))] == [
        *(1, 5, 8, 10, 12)
    ]
    assert line_of(found, ("f", 1, "i", "j")) == 14
    assert line_of(found, ("nowhere",)) == 1


def test_hours_over_midnight() -> None:
    night, day = hours("22:00-06:00"), hours("08:00-18:00")
    assert [night.has(hours(f"{each}-00:01").begin) for each in ("21:59", "22:00", "03:00", "06:00")] == [
        *(False, True, True, False)
    ]
    assert [day.has(hours(f"{each}-00:01").begin) for each in ("07:59", "08:00", "17:59", "18:00")] == [
        *(False, True, True, False)
    ]


def test_a_file_may_begin_by_a_mark_of_its_byte_order(tmp_path: Path) -> None:
    """As some editors have it."""
    (tmp_path / "x.toml").write_text(WHOLE, encoding="utf-8-sig")
    assert read(str(tmp_path / "x.toml")) == parse(WHOLE, "x.toml")


def test_a_damaged_file_is_told_in_one_sentence(rng: random.Random, tmp_path: Path) -> None:
    told = []
    for _ in range(300):
        at = rng.randrange(len(WHOLE))
        text = WHOLE[:at] + rng.choice('"[]=x1 \n') + WHOLE[at + rng.randrange(3) :]
        try:
            parse(text, "x.toml")
        except UsageError as error:
            told.append(str(error))
    assert len(told) > 100
    assert all(each.startswith("x.toml:") for each in told)
