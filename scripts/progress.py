"""A progress bar over epochs: on a terminal rich draws it, elsewhere every epoch is a line."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any


class Epochs:
    """Shows how far a training run is, and how long the rest will take.

    Parameters
    ----------
    total : int
        Epochs of the whole run.
    done : int
        Epochs that were finished before, in a resumed run.
    label : str
        Whose epochs they are.
    """

    def __init__(self, total: int, done: int = 0, label: str = "training") -> None:
        self.total = total
        self.first = done
        self.label = label
        self.begun = time.monotonic()
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Epochs:
        if sys.stderr.isatty():
            self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def advance(self, done: int, news: str) -> None:
        """Note a finished epoch.

        Parameters
        ----------
        done : int
            Epochs finished so far.
        news : str
            What to show beside it, such as the validation accuracy.
        """
        if self.bar is not None:
            self.bar.update(self.task, completed=done, news=news)
            return
        left = (time.monotonic() - self.begun) / (done - self.first) * (self.total - done)
        print(
            f"{self.label}: epoch {done}/{self.total}  {news}  {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )

    def _draw(self) -> None:
        try:
            from rich import progress
            from rich.console import Console
        except ImportError:  # a plain checkout may lack rich
            return
        self.bar = progress.Progress(
            "{task.description}",
            progress.BarColumn(),
            "epoch {task.completed}/{task.total}",
            "{task.fields[news]}",
            progress.TimeRemainingColumn(),
            "left",
            console=Console(stderr=True),
        )
        self.bar.start()
        self.task = self.bar.add_task(self.label, total=self.total, completed=self.first, news="")
