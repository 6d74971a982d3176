"""`hythe plot`: a TCP connection drawn, as an image or as a page with zoom."""

from __future__ import annotations

import os
from contextlib import ExitStack

import click

from hythe.cli.command import Command
from hythe.cli.why import packets
from hythe.errors import UsageError

_KINDS = ("sequence", "rtt", "throughput", "flight")
_FORMS = ("png", "svg", "html")
_OUTPUT = "plot.html"


@click.command(cls=Command)
@click.option("--session", metavar="NAME", help="Look at a running session, from now on, until it ends or ^C.")
@click.option(
    "--stream",
    "streams",
    type=click.IntRange(0),
    metavar="N",
    multiple=True,
    help="Draw connection N, 0 being the first; again for others beside it.  [default: the first with data]",
)
@click.option(
    "--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Draw this; again for others.  [default: sequence]"
)
@click.option(
    "--way",
    type=click.Choice(["there", "back"]),
    help="Draw the way from who opened it, or back to it.  [default: what carries more]",
)
@click.option(
    "-o",
    "--output",
    default=_OUTPUT,
    show_default=True,
    metavar="FILE",
    help="Write to FILE, which ends in .png, .svg or .html.",
)
@click.argument("file", metavar="[FILE]", required=False)
def command(
    file: str | None, session: str | None, streams: tuple[int, ...], kinds: tuple[str, ...], way: str | None, output: str
) -> int:
    """Draw TCP connections of FILE (pcap or pcapng, - for standard input): the first with data, or those of --stream.

    `hythe why FILE` tells which there are.
    """
    from hythe.view.analysis.causes import plural
    from hythe.view.analysis.conversation import Conversations
    from hythe.view.plot.first import First
    from hythe.view.plot.graph import busier, graph

    form = os.path.splitext(output)[1].removeprefix(".").lower()
    if form not in _FORMS:
        raise UsageError(f"-o {output} does not say what to write: give it a name that ends in .png, .svg or .html")
    first = First()
    conversations = first.conversations = Conversations(streams or first)
    with ExitStack() as stack:
        windows = None
        if session is not None and "flight" in kinds:
            from hythe.view.plot.sampling import Windows

            windows = stack.enter_context(Windows(session))
        conversations.read(packets(file, session, stack))
    if windows is not None:
        for one in conversations.all:
            windows.give(one)
    if not streams:
        streams = (first.number,)
        if streams != (0,):
            click.echo(f"hythe: connection {streams[0]} is drawn, the first with data; --stream N chooses another", err=True)
    graphs = []
    for number in streams:
        if number >= len(conversations.all):
            raise UsageError(
                f"--stream {number} is not there: {plural(len(conversations.all), 'TCP connection')} in these packets"
            )
        each = conversations.all[number]
        index = busier(each) if way is None else int(way == "back")
        graphs += [graph(each, index, kind) for kind in kinds or ("sequence",)]
        missing = sum(one.series.missing for one in each.ways if one.series is not None)
        if missing:
            click.echo(f"hythe: {plural(missing, 'mark')} of connection {number} found no room in the picture", err=True)
    if form == "html":
        from hythe.view.plot.page import page

        try:
            with open(output, "w", encoding="utf-8") as target:
                target.write(page(graphs))
        except OSError as error:
            raise UsageError(f"-o {output} cannot be written: {error.strerror}") from error
    else:
        from hythe.view.plot.image import draw

        draw(graphs, output, form)
    if output == _OUTPUT:
        click.echo(f"hythe: {output} is written: open it in a browser", err=True)
    return 0
