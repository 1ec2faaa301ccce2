"""The last line of a terminal while a run works: how long, and what is being done. Pipes get sentences only.

Comes in: sentences that stay, and texts that the next one replaces. Goes out: lines. The line is drawn by a thread that
sleeps in between, so that the run never waits for the terminal.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import click

from mlops_assets import live_progress

INTERVAL: Final = 0.5
PATIENCE: Final = 1.0
"""Seconds before a step that takes long gets a line."""
CLEAR: Final = "\r\033[K"


class WaitingLine:
    """A line that is drawn over itself until the next sentence."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a line.

        Args:
            stream: A terminal.
            clock: Returns monotonic seconds.
        """
        self._stream, self._clock = stream, clock
        self._text, self._since, self._drawn = "", clock(), False
        self._lock = threading.Lock()

    def sentence(self, text: str) -> None:
        """Print a sentence that stays; the line begins again below it.

        Args:
            text: The sentence.
        """
        with self._lock:
            self._clear()
            self._text, self._since = "", self._clock()
            click.secho(f"  . {text}", dim=True, file=self._stream)

    def show(self, text: str) -> None:
        """Replace what the line says.

        Args:
            text: What is being done.
        """
        self._text = text  # one assignment: reporting threads never wait for the terminal

    def draw(self) -> None:
        """Draw the line, once a step takes longer than a second."""
        with self._lock:
            seconds = self._clock() - self._since
            if seconds >= PATIENCE:
                line = f"    {seconds:.0f} s  {self._text}".rstrip()[: shutil.get_terminal_size().columns - 1]
                self._stream.write(f"{CLEAR}{line}")
                self._stream.flush()
                self._drawn = True

    def clear(self) -> None:
        """Remove the line."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        if self._drawn:
            self._stream.write(CLEAR)
            self._stream.flush()
            self._drawn = False


@contextmanager
def progress_printer() -> Iterator[Callable[[str], None]]:
    """Print the sentences of a run, and on a terminal what it does in between.

    Yields:
        The function that takes sentences.
    """
    if not sys.stdout.isatty():
        yield lambda sentence: click.secho(f"  . {sentence}", dim=True)
        return
    line, ended = WaitingLine(sys.stdout), threading.Event()

    def redraw() -> None:
        while not ended.wait(INTERVAL):
            line.draw()

    thread = threading.Thread(target=redraw, name="waiting-line", daemon=True)
    thread.start()
    try:
        with live_progress.listening(line.show):
            yield line.sentence
    finally:
        ended.set()
        thread.join()
        line.clear()
