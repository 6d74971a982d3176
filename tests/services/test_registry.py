"""The table that hythe comes with, and how it is made."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hythe.errors import UsageError
from hythe.services import etc, generate
from hythe.services.registry import TABLE, parse, registry, write
from hythe.services.remarks import REMARKS, Remark, remarks

CSV = """\
Service Name,Port Number,Transport Protocol,Description,Assignee,Contact,Registration Date,Modification Date,Reference,\
Service Code,Unauthorized Use Reported,Assignment Notes
,0,tcp,Reserved,[Jon_Postel],,,,,,,
,4,tcp,Unassigned,,,,,,,,
http,80,tcp,World Wide Web HTTP,,,,2021-10-01,[RFC9110],,,Defined TXT keys: u
http,80,udp,World Wide Web HTTP,,,,2021-10-01,[RFC9110],,,Defined TXT keys: u
www,80,tcp,World Wide Web HTTP,,,,,,,,
www,80,udp,World Wide Web HTTP,,,,,,,,
x11,6000-6063,tcp,X Window	System,,,,,,,"Unauthorized use by
some",
,6064-6065,tcp,Unassigned,,,,,,,,
portless,,tcp,no port at all,,,,,,,,
"""


def test_the_table_is_whole_and_dated() -> None:
    table = registry()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", table.date)
    assert "IANA" in table.source
    assert sum(len(each.protocols) for each in table.services) > 12_000
    assert "public domain" in TABLE.read_text(encoding="utf-8")[:600]
    for number, protocol, name in [(23, "tcp", "telnet"), (110, "tcp", "pop3"), (80, "tcp", "http"), (123, "udp", "ntp")]:
        found = table.at(number, protocol)
        assert found is not None
        assert found.name == name
        assert table.port(name, protocol) == number


def test_the_table_is_what_would_be_written() -> None:
    text = TABLE.read_text(encoding="utf-8")
    licence = next(line for line in text.splitlines() if line.startswith("# licence: ")).removeprefix("# licence: ")
    assert "".join(write(parse(text.splitlines(keepends=True)), licence)) == text


def test_ianas_csv_makes_a_table(tmp_path: Path) -> None:
    source, out = tmp_path / "services.csv", tmp_path / "table.tsv"
    source.write_text(CSV)
    generate.main([str(source), "--date", "2026-01-02", "--out", str(out)])
    with out.open(encoding="utf-8") as file:
        made = parse(file)
    assert made.date == "2026-01-02"
    assert [(each.first, each.last, each.protocols, each.names) for each in made.services] == [
        (0, 0, ("tcp",), ()),
        (80, 80, ("tcp", "udp"), ("http", "www")),
        (6000, 6063, ("tcp",), ("x11",)),
    ]
    assert made.services[1].note == "Defined TXT keys: u"
    assert made.services[2].description == "X Window System"
    assert made.services[2].note == "Unauthorized use by some"
    found = made.at(6063, "tcp")
    assert found is not None
    assert found.name == "x11"
    assert made.port("WWW", "udp") == 80
    assert made.at(4, "tcp") is None


def test_the_npm_package_makes_a_table(tmp_path: Path) -> None:
    source, out = tmp_path / "index.json", tmp_path / "table.tsv"
    source.write_text(json.dumps({"80/tcp": ["www-http", "Web"], "4/tcp": ["", "Unassigned"], "9/dccp": ["discard", "D"]}))
    generate.main([str(source), "--date", "2026-01-02", "--source", "a test", "--out", str(out)])
    with out.open(encoding="utf-8") as file:
        made = parse(file)
    assert made.source == "a test"
    assert made.port("http", "tcp") == made.port("www-http", "tcp") == 80
    assert made.port("discard", "dccp") == 9
    assert made.port("x11", "tcp") == 6000


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "a,b\n1,2\n"), ("a.json", "[]"), ("a.json", "{"), ("a.json", '{"x/tcp": 1}')]
)
def test_what_is_no_registry_is_said(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="this is no"):
        generate.main([str(tmp_path / name), "--date", "x", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_etc_services_is_read_as_the_c_library_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "services"
    path.write_text("# all\n\nhttp\t\t80/tcp\twww web# the web \nbroken\nodd 70000/tcp\nodd x/udp\nsyslog 514/UDP\n")
    assert etc.read(str(path)) == [
        etc.Entry(80, "tcp", ("http", "www", "web"), "the web"),
        etc.Entry(514, "udp", ("syslog",), ""),
    ]
    assert etc.read(str(tmp_path / "none")) == []


def test_remarks_belong_to_ports() -> None:
    assert all(0 < port <= 65_535 and each for port, each in REMARKS.items())
    assert remarks(12_345, "tcp") == [Remark("notorious", "NetBus")]
    assert remarks(12_345, "udp") == []
    assert remarks(31_337, "udp")[0].kind == "notorious"
