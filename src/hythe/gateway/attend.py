"""The parent's half of `hythe run`: serve the command's network until the command has ended."""

from __future__ import annotations

import asyncio
import os

from hythe.gateway.gateway import Gateway
from hythe.gateway.layout import Layout
from hythe.gateway.namespace import FORWARDED_SIGNALS, Room
from hythe.gateway.options import RunOptions
from hythe.link.tun import Tun


def attend(room: Room, layout: Layout, options: RunOptions) -> int:
    """Wait for the room, serve it, and return the command's exit status."""
    return asyncio.run(_attend(room, layout, options))


async def _attend(room: Room, layout: Layout, options: RunOptions) -> int:
    loop = asyncio.get_running_loop()
    room.ready()
    for number in FORWARDED_SIGNALS:
        loop.add_signal_handler(number, room.signal, number)
    gateway = Gateway(Tun(os.dup(room.tun_fd), options.mtu), layout, options)
    ended = loop.create_future()
    loop.add_reader(room.pidfd, ended.set_result, None)
    room.go()
    await ended
    loop.remove_reader(room.pidfd)
    status = room.wait()
    gateway.close()
    return status
