"""The page: well-formed, complete, nothing fetched, usable without a mouse; and a browser has no complaint."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

from hythe.view.layers.conversation import Choice, Conversations
from hythe.view.layers.demo import handshake
from hythe.view.layers.page import page
from hythe.wire.pcapng import LINKTYPE_ETHERNET, CapturedPacket, Interface
from tests import needs

if TYPE_CHECKING:
    from pathlib import Path

_VOID: Final = frozenset({"meta", "br", "link"})
#: What makes a browser fetch something.
_FETCHING: Final = frozenset({"script", "img", "iframe", "object", "embed", "audio", "video", "source", "link", "base"})


class Outline(HTMLParser):
    """Elements in order, and whether each is closed where it has to be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.seen)


def outline(text: str) -> Outline:
    parser = Outline()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return parser


def demo_page() -> str:
    return page([*Conversations().chosen(handshake(), Choice())])


def test_all_packets_with_both_tables_and_every_field() -> None:
    shown = [*Conversations().chosen(handshake(), Choice())]
    found = outline(page(shown))
    headers = [header for each in shown for header in each.dissection.headers]
    assert found.count("section") == len(shown)
    assert found.count("caption") == found.count("table") == 2 * len(shown) + len(headers)
    cells = {text for tag, text in found.texts if tag == "th"}
    assert {field.name for header in headers for field in header.fields} <= cells


def test_nothing_is_fetched() -> None:
    text = demo_page()
    found = outline(text)
    assert not {tag for tag, _ in found.seen} & _FETCHING
    assert not [attributes for _, attributes in found.seen if "src" in attributes or "style" in attributes]
    assert not re.search(r"url\(|@import", text)


def test_a_keyboard_and_a_screen_reader_can_use_it() -> None:
    found = outline(demo_page())
    names = [attributes.get("id") for _, attributes in found.seen if attributes.get("id")]
    assert len(names) == len(set(names))
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in found.seen if tag == "th")
    scrolled = [attributes for _, attributes in found.seen if attributes.get("class") == "scroll"]
    assert scrolled
    assert all(each["tabindex"] == "0" and each["aria-label"] for each in scrolled)
    targets = [str(attributes["href"])[1:] for _, attributes in found.seen if str(attributes.get("href")).startswith("#")]
    assert targets
    assert set(targets) <= set(names)
    assert found.seen[0] == ("html", {"lang": "en"})


def test_what_is_in_a_packet_is_text() -> None:
    """A payload, here an HTTP request, cannot become markup."""
    from scapy.compat import raw
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether

    request = b"GET /<script>alert(1)</script> HTTP/1.0\r\n\r\n"
    data = raw(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dport=80, flags="PA") / request)
    packet = CapturedPacket(Interface("", LINKTYPE_ETHERNET, 0, 1_000_000), 0, data, len(data))
    text = page([*Conversations().chosen([packet], Choice())])
    assert "&lt;script&gt;" in text
    assert "<script" not in text


def test_a_browser_opens_it_without_complaint(tmp_path: Path) -> None:
    chromium = needs.program("chromium")
    file = tmp_path / "layers.html"
    file.write_text(demo_page())
    command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    ran = subprocess.run(
        [*command, "--enable-logging=stderr", "--v=0", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("<section") == len([*handshake()])
    assert "CONSOLE" not in ran.stderr, ran.stderr
