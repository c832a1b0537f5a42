"""What is under way: on a terminal rich draws it, elsewhere every epoch is a line."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self

from scripts import note

SILENT = 2.5  # seconds without a word


def terminal() -> Any:
    """Return standard error as rich draws on it; None where nothing can be drawn over."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_interactive else None  # not where TERM=dumb


@contextmanager
def busy(what: str) -> Iterator[Callable[[str], object]]:
    """Show that something takes a few seconds, until the block is over; yield how to say more.

    Where nothing can be drawn over, what has been said within three seconds is enough.
    """
    console = terminal()
    if console is None:
        said = time.monotonic()

        def tell(text: str) -> None:
            nonlocal said
            if time.monotonic() - said > SILENT:
                said = time.monotonic()
                note(f"{what}: {text}")

        yield tell
    else:
        with console.status(what) as status:
            yield lambda text: status.update(f"{what}: {text}")


class Epochs(ExitStack):
    """Shows how far a run is, and how long the rest will take: a bar for each of its labels.

    `done` are the epochs that were finished before, in a resumed run.
    """

    def __init__(self, total: int, done: int = 0, *labels: str) -> None:
        super().__init__()
        self.total, self.first, self.labels = total, done, labels or ("training",)
        self.begun, self.done = time.monotonic(), dict.fromkeys(self.labels, done)
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        console = terminal()
        if console is not None:
            from rich import progress

            self.bar = self.enter_context(
                progress.Progress(
                    "{task.description}",
                    progress.BarColumn(),
                    "epoch {task.completed}/{task.total}",
                    "{task.fields[news]}",
                    progress.TimeRemainingColumn(),
                    "left",
                    console=console,
                )
            )
            of_each = {"total": self.total, "completed": self.first, "news": ""}
            self.tasks = {name: self.bar.add_task(name, **of_each) for name in self.labels}
        return self

    def beside(self, text: str) -> None:
        """Show how far something is that is done beside it."""
        if self.bar is not None:
            self.bar.console.print(text)
        else:
            note(text)

    def advance(self, done: int, news: str, label: str | None = None) -> None:
        """Show that so many epochs are finished, with some news such as the accuracy."""
        label = label or self.labels[0]
        if self.bar is not None:
            self.bar.update(self.tasks[label], completed=done, news=news)
            return
        self.done[label] = done
        so_far = sum(self.done.values()) - self.first * len(self.done)
        to_go = self.total * len(self.done) - sum(self.done.values())
        left = (time.monotonic() - self.begun) / so_far * to_go
        note(f"{label}: epoch {done}/{self.total}  {news}  {left:.0f} s left")
