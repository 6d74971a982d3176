"""`hythe pkt`: packet scripts, against hythe on virtual time or against the kernel in real time."""

from __future__ import annotations

import os

import click

from hythe.cli.command import Command
from hythe.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@click.command(cls=Command)
@click.option(
    "--against",
    type=click.Choice(["hythe", "linux"]),
    default="hythe",
    show_default=True,
    help="Play against hythe on virtual time, or against this kernel over TUN in real time (a namespace for each script).",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=None,
    metavar="N",
    help="Play so many scripts at a time.  [default: 1, against linux 8]",
)
@click.option("--tolerance", metavar="TIME", help="Let things be so early or late.  [default: 4ms, against linux 30ms]")
@click.option(
    "-D", "--define", "words", multiple=True, metavar="NAME=VALUE", help="Let a word of the scripts stand for this."
)
@click.option("-q", "--quiet", is_flag=True, help="Print failures only.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def command(
    against: str, jobs: int | None, tolerance: str | None, words: tuple[str, ...], quiet: bool, files: tuple[str, ...]
) -> int:
    """Run scripts in packetdrill's language; a folder stands for all .pkt files in it."""
    from hythe.pkt.parallel import judged, verdicts
    from hythe.units import parse_duration

    paths = _files(files)
    play = _player(against, parse_duration(tolerance) if tolerance else None, _defined(words))
    results = verdicts(paths, play, jobs or 8) if against == "linux" else ((path, judged(path, play)) for path in paths)
    failed = skipped = 0
    for path, wrong in results:
        failed += bool(wrong) and not wrong.startswith("skipped")
        skipped += wrong.startswith("skipped")
        if wrong or not quiet:
            click.echo(f"{path}: ok" if not wrong else f"{path}: {wrong}" if wrong.startswith("skipped") else wrong)
    if len(paths) > 1:
        click.echo(f"{len(paths) - failed - skipped} ok, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def _files(names: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in names:
        if os.path.isdir(name):
            inside = [os.path.join(folder, each) for folder, _, files in os.walk(name) for each in files]
            found += sorted(each for each in inside if each.endswith(".pkt"))
        elif os.path.isfile(name):
            found.append(name)
        else:
            raise UsageError(f"there is no file {name!r}: name a packet script or a folder of them")
    if not found:
        raise UsageError(f"there is no .pkt file in {', '.join(names)}: name a packet script or a folder of them")
    return list(dict.fromkeys(found))


def _defined(words: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for name, equals, text in pairs:
        if not (name.isidentifier() and equals):
            raise UsageError(f"-D {name + equals + text!r} defines nothing: write -D NAME=VALUE")
    return {name: text for name, _, text in pairs}


def _player(against: str, tolerance: int | None, defined: dict[str, str]) -> Callable[[str], None]:
    from hythe.pkt.play import play

    return lambda path: play(path, against, tolerance, defined)
