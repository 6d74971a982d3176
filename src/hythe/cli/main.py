"""The entry point of `hythe`.

It imports nothing before it can be interrupted: ^C while Python still reads modules ends hythe, not in a traceback.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that was asked for, and exit with its status."""
    try:
        from hythe.cli.streams import ended, prepare

        output = prepare()
        try:
            from hythe.cli.group import invoke

            status = invoke()
            sys.stdout.flush()
        except (OSError, SystemExit) as error:
            reason = ended(output, error)
            if reason is None:
                raise
            status = reason
    except KeyboardInterrupt:
        status = 130  # 128 + SIGINT, as a shell has it
    sys.exit(status)
