"""The standard streams: held where the caller has closed one, and what becomes of an error of standard output.

A command writes as if that always worked. Where it does not, the reader has had enough (`| head`), and then the command ends
in silence; or there is no room (/dev/full), and that is a sentence. What else fails in writing is a bug, and stays one.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Final

_OUTPUT: Final = 1


class Output(io.FileIO):
    """Standard output, which remembers why it could not be written."""

    failure: OSError | None = None

    def write(self, data: object) -> int:
        """As FileIO does."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            self.failure = error
            raise


def prepare() -> Output:
    """No file of ours gets the number of a stream that is closed (``>&-``): input has ended, output cannot be written.

    Programs that we begin find it closed, as they would without us.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            held = os.open(os.devnull, os.O_RDONLY if number <= _OUTPUT else os.O_WRONLY)
            setattr(sys, name, open(held, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    output = Output(sys.stdout.fileno(), "w", closefd=False)
    usual = sys.stdout
    assert isinstance(usual, io.TextIOWrapper)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=usual.encoding,
        errors=usual.errors,
        line_buffering=usual.line_buffering or usual.write_through,  # `python -u`
    )
    return output


def ended(output: Output, error: BaseException) -> int | None:
    """The status of a command that `error` has ended, if standard output was the reason: 0 if its reader has seen enough.

    Of such a reader click makes an exit.
    """
    failure = output.failure
    if failure is None or (error is not failure and not isinstance(error, SystemExit)):
        return None
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())  # for what is still to be written
    if isinstance(failure, BrokenPipeError):
        return 0
    sys.stderr.write(f"hythe: standard output cannot be written: {failure.strerror}\n")
    return 1
