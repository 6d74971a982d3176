"""haproxy and nginx on loopback, before and behind a proxy of ours: they send the PROXY protocol, and heed it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import needs
from tests.gateway.servers import closed_port
from tests.via.proxies import program

HAPROXY = """
defaults
  mode {mode}
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend it
  bind 127.0.0.1:{port} {accept}
  {serve}
"""
NGINX = """
{modules}
daemon off;
pid {place}/nginx-{port}.pid;
error_log stderr;
events {{}}
{block}
"""


@contextmanager
def haproxy(place: Path, mode: str, accept: str, serve: str) -> Iterator[int]:
    port = closed_port()
    conf = place / f"haproxy-{port}.cfg"
    conf.write_text(HAPROXY.format(port=port, mode=mode, accept=accept, serve=serve))
    with program(needs.program("haproxy"), "-db", "-f", str(conf), port=port, cwd=place):
        yield port


@contextmanager
def nginx(place: Path, block: str, modules: str = "") -> Iterator[int]:
    port = closed_port()
    conf = place / f"nginx-{port}.conf"
    conf.write_text(NGINX.format(place=place, port=port, block=block.replace("PORT", str(port)), modules=modules))
    with program(needs.program("nginx"), "-p", str(place), "-c", str(conf), port=port, cwd=place):
        yield port


@contextmanager
def sending(place: Path, manner: str, to: int) -> Iterator[int]:
    """One that leads to our port `to`, by the PROXY protocol."""
    if manner == "nginx":
        block = f"stream {{ server {{ listen 127.0.0.1:PORT; proxy_pass 127.0.0.1:{to}; proxy_protocol on; }} }}"
        with nginx(place, block, "load_module /usr/lib/nginx/modules/ngx_stream_module.so;") as port:
            yield port
    else:
        how = {"v1": "send-proxy", "v2": "send-proxy-v2 proxy-v2-options crc32c,unique-id"}[manner]
        with haproxy(place, "tcp", "", f"default_backend far\nbackend far\n  server far 127.0.0.1:{to} {how}") as port:
            yield port


@contextmanager
def heeding(place: Path, manner: str) -> Iterator[int]:
    """One that tells its clients over HTTP who they are, by the PROXY protocol."""
    if manner == "nginx":
        block = (
            "http { access_log off; server { listen 127.0.0.1:PORT proxy_protocol; "
            'return 200 "$proxy_protocol_addr:$proxy_protocol_port"; } }'
        )
        with nginx(place, block) as port:
            yield port
    else:
        serve = 'http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]"'
        with haproxy(place, "http", "accept-proxy", serve) as port:
            yield port


def certificate(place: Path, name: str, *names: str) -> Path:
    """A file with a certificate and its key."""
    made = place / f"{name}.pem"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={name}", "-addext", f"subjectAltName={','.join(names)}"]
    words += ["-keyout", str(made), "-out", f"{made}.cert"]
    subprocess.run([needs.program("openssl"), *words], check=True, capture_output=True, timeout=30)
    made.write_text(Path(f"{made}.cert").read_text() + made.read_text())
    return made
