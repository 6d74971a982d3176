"""A test that is alone is: in processes of its own, as pytest's workers are."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from tests.turns import turn

TIMES = 40


def play(inside: SimpleQueue[tuple[str, bool]], begin: Barrier, folder: Path, alone: bool) -> None:
    begin.wait(20)
    for _ in range(TIMES):
        with turn(alone=alone, room=folder / "room", turnstile=folder):
            inside.put(("in", alone))
            if os.fork() == 0:  # has the lock's descriptor, and lives on
                time.sleep(0.2)
                os._exit(0)
            inside.put(("out", alone))


def test_nobody_is_beside_who_is_alone(tmp_path: Path) -> None:
    (tmp_path / "room").touch()
    context = multiprocessing.get_context("spawn")
    inside, begin = context.SimpleQueue(), context.Barrier(3)
    processes = [context.Process(target=play, args=(inside, begin, tmp_path, alone)) for alone in (False, False, True)]
    for each in processes:
        each.start()
    seen = [inside.get() for _ in range(2 * TIMES * len(processes))]
    for each in processes:
        each.join(20)
        assert each.exitcode == 0
    beside = 0
    for word, alone in seen:
        beside += 0 if alone else 1 if word == "in" else -1
        assert not (alone and beside)
    assert seen.index(("in", True)) < 2 * TIMES * len(processes) - 2 * TIMES  # it did not have to wait for all the others
