"""Work done at once, in a process each: what is told meanwhile is heard, and all end together."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from model.mnist_files import MnistFiles

POLL_SECONDS = 0.2  # how often it is looked whether something was told
ENDED = "a process was ended from outside"

Work = tuple[Any, ...]  # a function of a module, and what it is called with
files: Any = None  # in a process that works: the data set, of which it reads what it needs
_news: Any = None  # and where it tells how far it is


def tell(*news: object) -> None:
    """Tell the process that asked for the work."""
    _news.put(news)


def run_all(
    jobs: Mapping[str, Work],
    files: MnistFiles,
    on_news: Callable[..., object],
    processes: int | None = None,
) -> dict[str, Any]:
    """Do each job in a process of its own and return by name what each returned.

    `on_news` is called with what they `tell`. What stops one of them stops all, and is raised here.
    """
    context = multiprocessing.get_context("spawn")
    news = context.SimpleQueue()
    many = min(len(jobs), processes or os.cpu_count() or 1)
    pool = ProcessPoolExecutor(many, context, _begin, (news, replace(files, pairs=[])))
    runs: dict[str, Future[Any]] = {}
    others = set(multiprocessing.active_children())  # of whoever calls this in a process of theirs
    try:
        with _interrupts_wait():  # those that are started here inherit it: this process hears them
            for name, work in jobs.items():
                runs[name] = pool.submit(*work)
        started = set(multiprocessing.active_children()) - others
        left = set(runs.values())
        while left:
            if not all(process.is_alive() for process in started):  # the pool can overlook it
                raise ChildProcessError(ENDED)
            done, left = wait(left, POLL_SECONDS, FIRST_EXCEPTION)
            while not news.empty():
                on_news(*news.get())
            for run in done:
                run.result()
        return {name: run.result() for name, run in runs.items()}
    except BaseException as error:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise ChildProcessError(ENDED) from None
        raise
    finally:
        pool.shutdown()


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C, which a terminal sends to every process, and SIGTERM are heard after the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(news: Any, shared: MnistFiles) -> None:
    global _news, files
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # by which its parent ends it
    _news, files = news, shared
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # for ever, unless it is killed
    os._exit(1)
