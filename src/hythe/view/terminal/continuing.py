"""The terminal's driver, but for one who was stopped without being asked.

SIGTSTP can be caught, and textual's driver leaves the terminal before it stops. After SIGSTOP its threads are still there
when SIGCONT comes, and new ones beside them would take turns at the keys: the view would never end.
"""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver


class ContinuingDriver(LinuxDriver):
    """Begins anew only after it has ended."""

    def _sigcont_application(self, *_: object) -> None:
        if self._key_thread is not None and self._key_thread.is_alive():
            self.suspend_application_mode()
        super()._sigcont_application()
