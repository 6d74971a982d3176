"""`hythe demo`: the main job on something real, in two seconds.

A small web server on this machine's loopback, a real client (curl if there is one, else Python) inside `hythe run`, and
what happened. Where the system forbids user namespaces or TUN, the same exchange between two in-process hosts.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import click

from hythe.cli.command import Command
from hythe.gateway.namespace import limits

PAGE: Final = "Hello from the other end of hythe's own TCP/IP stack.\n"
_CLIENT: Final = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())"


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _Page(BaseHTTPRequestHandler):
    """Answers every GET with the page."""

    def do_GET(self) -> None:
        """One request."""
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """One line a request, as web servers print them."""
        click.echo(f"  the server says: {self.client_address[0]}:{self.client_address[1]} {format % args}")


@click.command(cls=Command)
def command() -> int:
    """Show what `hythe run` does, on something real: a client inside, a web server outside, and what happened."""
    hindrance = limits.check()
    if hindrance is not None:
        click.echo(
            f"This machine has no room for `hythe run`: {hindrance}\n"
            "So here is the same exchange between two hythe hosts inside this process.\n"
        )
        from hythe.cli.demo_hosts import exchange

        return exchange(PAGE)
    servers = _serve()
    port = servers[0].server_address[1]
    click.echo(
        f"A web server listens on port {port} of this machine's loopback.\nA client on a network of its own asks it:\n"
    )
    url = f"http://host.hythe.internal:{port}/"
    client = ["curl", "-sS", url] if shutil.which("curl") else [sys.executable, "-c", _CLIENT, url]
    words = ["run", "--host-loopback", "--summary", "--", *client]
    click.secho(f"  $ hythe {shlex.join(words)}", bold=True)
    result = subprocess.run([sys.executable, "-m", "hythe", *words], capture_output=True, text=True, timeout=60, check=False)
    for server in servers:
        server.shutdown()
        server.server_close()
    click.echo("\nThe page:\n" + _indented(result.stdout))
    click.echo("What happened, as hythe's stack saw it:\n" + _indented(result.stderr))
    if result.returncode or result.stdout != PAGE:
        click.echo(f"hythe: the demo failed with status {result.returncode}", err=True)
        return 1
    click.echo("Now try it on a program of yours: .venv/bin/hythe run --summary -- COMMAND")
    return 0


def _serve() -> list[ThreadingHTTPServer]:
    """A server on a free port of 127.0.0.1, and where there is IPv6 on the same port of ::1."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _Page)]
    with contextlib.suppress(OSError):  # no IPv6, or somebody has that port there: one family shows as much
        servers.append(_Server6(("::1", servers[0].server_address[1]), _Page))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    return servers


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
