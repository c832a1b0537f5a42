"""`python -m compare`: put a network to the proof; ends with 0 proved, 1 disproved, 2 not tried."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.difference import Link, Proof

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ARITHMETICS = ("float64", "float32", "fixed-point")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chain, print it, write what was asked for, and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line, without the program's name.
    """
    for name in THREADS:  # matrices this small are slower on more threads; NumPy reads this once
        os.environ.setdefault(name, "1")
    arguments = parser().parse_args(argv)
    try:
        status = self_test() if arguments.self_test else run(arguments)
        sys.stdout.flush()  # a result that was not printed is none
        return status
    except KeyboardInterrupt:
        line = "interrupted: nothing has been proved"
    except BrokenPipeError:  # whoever read the table has gone
        line = ""
    except Exception as error:  # whatever happens, 1 means that DISPROVED was printed
        expected = isinstance(error, ValueError | OSError | OverflowError)
        line = " ".join(f"{'' if expected else type(error).__name__ + ': '}{error}".split())
    with contextlib.suppress(OSError, ValueError):
        if line:
            print(f"python -m compare: {line}", file=sys.stderr, flush=True)
    for name in ("stdout", "stderr"):
        with contextlib.suppress(Exception):
            getattr(sys, name).flush()
            continue
        setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m compare",
        description="Prove, number by number, that a network is the reference network. The whole "
        "chain takes about a minute, --quick a few seconds.",
        epilog="Exit status: 0 proved, 1 disproved, 2 could not be tried.",
    )
    add_subject(found)
    add_extent(found)
    add_results(found)
    return found


def add_subject(found: argparse.ArgumentParser) -> None:
    """Add the options that say what is put to the proof, and on what.

    Parameters
    ----------
    found : argparse.ArgumentParser
    """
    add = found.add_argument
    add(
        "--candidate",
        metavar="MODULE:CLASS",
        help="a class of your own, as package.module:Class or path/to/file.py:Class (protocol: "
        "python -m pydoc compare.candidates); without it torch_impl's network",
    )
    add("--device", default="cpu", help="of torch_impl's network: cpu, cuda or cuda:N")
    add(
        "--arithmetic",
        choices=ARITHMETICS,
        help="float64 (the default), float32 or fixed-point",
    )
    add(
        "--sizes",
        type=sizes,
        nargs="+",
        default=[],
        help="units of every layer, such as 784 30 10; other than 784 inputs and 10 outputs are "
        "tried on random images",
    )
    add("--data", metavar="PATH", help="a folder with MNIST's four files, or synthetic")
    add("--model", metavar="FILE", help="a parameter file to use as the trained network")


def add_extent(found: argparse.ArgumentParser) -> None:
    """Add the options that say how much is tried.

    Parameters
    ----------
    found : argparse.ArgumentParser
    """
    add = found.add_argument
    add("--quick", action="store_true", help="600 steps of training in place of 10,500")
    add(
        "--epochs",
        type=whole,
        help="of fixed-point training (2; 30 proves a whole run, in minutes; 0 leaves it out)",
    )
    add("--seed", type=whole, default=0, help="of the order of the examples (0)")
    add(
        "--timeout",
        type=positive,
        default=60.0,
        metavar="SECONDS",
        help="that each call of the candidate may take (60)",
    )
    add(
        "--memory",
        type=positive,
        default=8.0,
        metavar="GIB",
        help="that the candidate's process may take (8)",
    )


def add_results(found: argparse.ArgumentParser) -> None:
    """Add the options that say what is written, and the self-test.

    Parameters
    ----------
    found : argparse.ArgumentParser
    """
    add = found.add_argument
    add(
        "--divergence",
        type=Path,
        metavar="FILE.png",
        help="draw how two networks left free part; the data go beside it as JSON",
    )
    add(
        "--strict",
        action="store_true",
        help="a method that the candidate does not offer is a failure",
    )
    add("--json", type=Path, metavar="FILE", help="write every record as JSON")
    add("--junit", type=Path, metavar="FILE", help="write the links as JUnit test cases")
    add(
        "--self-test",
        action="store_true",
        help="check the checker: networks with known mistakes, and which link catches each",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the chain and return the exit status.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    from compare import report
    from model.atomic_write import check_target

    colour = coloured()
    progress = report.Progress(sys.stderr)
    headings = [report.heading()]

    def show(link: Link) -> None:
        progress.clear()
        while headings:  # above the first row, and not above an error
            print(headings.pop())
        print(report.row(link, colour), flush=True)

    for path in filter(None, (arguments.json, arguments.junit, arguments.divergence)):
        check_target(path)
    try:
        proof = proved(arguments, show, progress.tell)
    finally:
        progress.clear()
    print(f"\n{report.in_words(proof)}")
    if arguments.json is not None:
        report.save_json(proof, arguments.json)
    if arguments.junit is not None:
        report.save_junit(proof, arguments.junit)
    return proof.status


def proved(arguments: argparse.Namespace, show: Any, tell: Any) -> Proof:
    """Return the proof that a command line asks for.

    Parameters
    ----------
    arguments : argparse.Namespace
    show : callable (link)
    tell : callable (what, done)
    """
    from compare import chain

    return chain.prove(
        arguments.candidate,
        device=arguments.device,
        arithmetic=arguments.arithmetic,
        sizes=[n for part in arguments.sizes for n in part] or chain.SIZES,
        data=arguments.data,
        download=download,
        model=arguments.model,
        quick=arguments.quick,
        epochs=arguments.epochs,
        seed=arguments.seed,
        divergence=arguments.divergence,
        timeout=arguments.timeout,
        memory=arguments.memory,
        strict=arguments.strict,
        on_link=show,
        tell=tell,
    )


def download(folder: Path) -> None:
    """Put MNIST into a folder by torchvision.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OSError
        There is no network, or no torchvision.
    """
    try:
        from torch_impl import mnist_loader
    except ImportError as error:
        raise OSError(f"torchvision is not installed: {error}") from error
    mnist_loader.download(folder)


def self_test() -> int:
    """Print which link catches which known mistake; return 0 where every one is caught."""
    from compare import mutants, report

    progress = report.Progress(sys.stderr)
    every = mutants.mutants()
    count = iter(range(1, len(every) + 1))
    kills = mutants.self_test(
        every, lambda kill: progress.tell(kill.mutant.name, next(count) / len(every))
    )
    progress.clear()
    print("\n".join(mutants.matrix(kills)))
    return 1 if any(kill.failed for kill in kills) else 0


def coloured() -> bool:
    """Return whether standard output is a terminal that wants colour (see no-color.org)."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return sys.stdout.isatty() and wanted


def sizes(text: str) -> list[int]:
    """Return the sizes that a command line gives.

    Parameters
    ----------
    text : str
        A whole number, or several with commas between them, such as "784,20,10".
    """
    try:
        return [int(part) for part in text.strip("[] ").split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers such as 784 20 10, received {text!r}"
        ) from None


def whole(text: str) -> int:
    """Return a whole number, 0 or more.

    Parameters
    ----------
    text : str
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, received {text!r}")
    return int(text)


def positive(text: str) -> float:
    """Return a number above 0."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"expected a number above 0, received {text!r}")


if __name__ == "__main__":
    sys.exit(main())
