"""`Keyboard`: keys as they are pressed, without Enter; none where there is no terminal."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Any


class Keyboard:
    """A context: the terminal is as before when it ends."""

    def __enter__(self) -> Keyboard:
        self._before: Any = None
        try:
            import termios
            import tty

            self._input = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._input)
            tty.setcbreak(self._input)
        except (ImportError, OSError, ValueError, termios.error):
            self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def pressed(self, seconds: float) -> str:
        """What is pressed within so many seconds, as soon as something is."""
        if self._before is None:
            time.sleep(seconds)
            return ""
        ready, _, _ = select.select([self._input], [], [], seconds)
        return os.read(self._input, 100).decode("latin-1") if ready else ""
