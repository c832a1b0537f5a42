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
    labels : str
        Whose epochs they are, a bar for each.
    """

    def __init__(self, total: int, done: int = 0, *labels: str) -> None:
        self.total = total
        self.first = done
        self.labels = labels or ("training",)
        self.begun = time.monotonic()
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}

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

    def advance(self, done: int, news: str, label: str | None = None) -> None:
        """Note a finished epoch.

        Parameters
        ----------
        done : int
            Epochs finished so far.
        news : str
            What to show beside it, such as the validation accuracy.
        label : str, optional
            Whose epoch it is; the first label's where it is not given.
        """
        label = label or self.labels[0]
        if self.bar is not None:
            self.bar.update(self.tasks[label], completed=done, news=news)
            return
        left = (time.monotonic() - self.begun) / (done - self.first) * (self.total - done)
        print(
            f"{label}: epoch {done}/{self.total}  {news}  {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )

    def _draw(self) -> None:
        try:
            from rich import progress
            from rich.console import Console
        except ImportError:  # a plain checkout may lack rich
            return
        console = Console(stderr=True)
        if not console.is_interactive:  # TERM=dumb: nothing can be drawn over
            return
        self.bar = progress.Progress(
            "{task.description}",
            progress.BarColumn(),
            "epoch {task.completed}/{task.total}",
            "{task.fields[news]}",
            progress.TimeRemainingColumn(),
            "left",
            console=console,
        )
        self.bar.start()
        for label in self.labels:
            self.tasks[label] = self.bar.add_task(
                label, total=self.total, completed=self.first, news=""
            )
