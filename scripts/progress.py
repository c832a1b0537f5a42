"""What is under way: on a terminal rich draws it, elsewhere every epoch is a line."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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


@contextmanager
def counting(total: int, done: int = 0, *labels: str) -> Iterator[Callable[..., object]]:
    """Show how far runs are, and how long the rest will take: a bar for each of the labels.

    What is yielded is told how many epochs are finished, with some news such as the accuracy, and
    of which label if not of the first. `done` were finished before, in a resumed run.
    """
    console, begun, first, *_ = terminal(), time.monotonic(), *labels, "training"
    every = dict.fromkeys(labels or [first], done)
    if console is None:

        def advance(now: int, news: str, label: str = first) -> None:
            every[label] = now
            so_far, whole = sum(every.values()), total * len(every)
            each = (time.monotonic() - begun) / (so_far - done * len(every))
            note(f"{label}: epoch {now}/{total}  {news}  {each * (whole - so_far):.0f} s left")

        yield advance
        return
    from rich.progress import BarColumn, Progress, TimeRemainingColumn

    columns = "{task.description}", BarColumn(), "epoch {task.completed}/{task.total}"
    left = "{task.fields[news]}", TimeRemainingColumn(), "left"
    with Progress(*columns, *left, console=console) as bar:
        tasks = {one: bar.add_task(one, total=total, completed=done, news="") for one in every}
        yield lambda now, news, label=first: bar.update(tasks[label], completed=now, news=news)
