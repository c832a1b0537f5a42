"""What is under way: on a terminal rich draws it, elsewhere every epoch is a line."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from scripts import note

SILENT = 2.5  # seconds without a word
ONE = {"training": 0}


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
def counting(total: int, done: Mapping[str, int] = ONE) -> Iterator[Callable[..., object]]:
    """Show how far runs are, and how long the rest will take: a bar for each of them.

    What is yielded is told how many epochs are finished, with some news such as the accuracy, and
    of which run if not of the first. So many of each as `done` says were finished before.
    """
    console, begun, first = terminal(), time.monotonic(), next(iter(done))
    if console is None:
        every = dict(done)

        def advance(now: int, news: str, name: str = first) -> None:
            every[name] = now
            so_far, whole = sum(every.values()), total * len(every)
            each = (time.monotonic() - begun) / (so_far - sum(done.values()))
            note(f"{name}: epoch {now}/{total}  {news}  {each * (whole - so_far):.0f} s left")

        yield advance
        return
    from rich.progress import BarColumn, Progress, TimeRemainingColumn

    columns = "{task.description}", BarColumn(), "epoch {task.completed}/{task.total}"
    left = "{task.fields[news]}", TimeRemainingColumn(), "left"
    with Progress(*columns, *left, console=console) as bar:
        tasks = {
            name: bar.add_task(name, total=total, completed=epochs, news="")
            for name, epochs in done.items()
        }
        yield lambda now, news, name=first: bar.update(tasks[name], completed=now, news=news)
