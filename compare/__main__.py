"""`python -m compare`: put a network to the proof; ends with 0 proved, 1 disproved, 2 not tried."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from compare import THREADS

PROGRAM = "python -m compare" if __package__ == "compare" else "jalebi prove"
COMPILER_TIMEOUT = 900.0  # seconds
ARITHMETICS = ("float64", "float32", "fixed-point")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chain, print it, write what was asked for, and return the exit status."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    found = parser()
    arguments = found.parse_args(argv)
    refuse_what_does_not_apply(found, arguments)
    try:
        if sys.stdout is None:
            raise OSError("standard output is closed, the result would be lost: open it, >FILE")
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
            print(f"{PROGRAM}: {line}", file=sys.stderr, flush=True)
    for name in ("stdout", "stderr"):
        with contextlib.suppress(Exception):
            getattr(sys, name).flush()
            continue
        setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Prove, number by number, that a network is the reference network. The whole "
        "chain takes about a minute, --quick a few seconds.",
        epilog=f"Example: {PROGRAM} --quick --candidate my_network.py:Mine. "
        "Exit status: 0 proved, 1 disproved, 2 could not be tried.",
    )
    # fmt: off
    what = found.add_argument_group("what is put to the proof, and on what").add_argument
    what("--candidate", metavar="MODULE:CLASS", help="a class of your own, as package.module:Class "
         "or path/to/file.py:Class (protocol: python -m pydoc compare.candidates); without it "
         "torch_impl's network")
    what("--program", metavar="COMMAND", help="a program in any language instead "
         "(protocol: docs/programs.md)")
    what("--compile", action="store_true", help="torch_impl's network with its training compiled")
    what("--device", help="cpu, cuda or cuda:N, of what offers devices, as torch_impl's network")
    what("--arithmetic", choices=ARITHMETICS, help="by default what the candidate declares")
    what("--sizes", type=sizes, nargs="+", help="units of every layer (784 20 10); other than 784 "
         "inputs and 10 outputs are tried on random images")
    what("--data", metavar="PATH", help="a folder with MNIST's four files, or synthetic")
    what("--model", metavar="FILE", help="a parameter file to use as the trained network")
    much = found.add_argument_group("how much is tried").add_argument
    much("--quick", action="store_true", help="600 steps of training in place of 10,500")
    much("--epochs", type=whole, help="of fixed-point training (2; 30 proves a whole run, in "
         "minutes; 0 leaves it out)")
    much("--eta", type=positive, default=3.0, help="the learning rate (3)")
    much("--mini-batch-size", type=whole, default=10, metavar="M", help="(10)")
    much("--seed", type=whole, default=0, help="of the order of the examples (0)")
    much("--timeout", type=positive, default=60.0, metavar="SECONDS",
         help="that each call of the candidate may take (60)")
    much("--memory", type=positive, default=8.0, metavar="GIB",
         help="that the candidate's process may take (8)")
    much("--strict", action="store_true", help="a method that is not offered is a failure")
    result = found.add_argument_group("what is written").add_argument
    result("--divergence", type=Path, metavar="FILE.png", help="draw how two networks left free "
           "part; the data go beside it as JSON")
    result("--json", type=Path, metavar="FILE", help="write every record as JSON")
    result("--junit", type=Path, metavar="FILE", help="write the links as JUnit test cases")
    found.add_argument("--self-test", action="store_true", help="check the checker: networks with "
                       "known mistakes, and which link catches each; takes no other option")
    # fmt: on
    return found


def refuse_what_does_not_apply(found: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """End with status 2 where options are given that would be ignored."""
    chosen = [k for k, v in vars(given).items() if v != found.get_default(k)]
    for name in ("candidate", "device", "arithmetic"):
        if given.program and name in chosen:
            found.error(f"--{name} is not for a --program: it says itself what it computes in")
    for name in ("data", "model", "candidate", "program"):
        if getattr(given, name) == "":
            found.error(f"--{name}: expected a name, received nothing")
    picture = given.divergence
    if picture and picture.suffix.lower() != ".png":
        found.error(f"--divergence: expected a name that ends in .png, received {picture}")
    written = [given.json, given.junit, picture, picture and picture.with_suffix(".json")]
    named = [path.absolute() for path in written if path is not None]
    others = ["--" + name.replace("_", "-") for name in chosen if name != "self_test"]
    for wrong, text in (
        (given.self_test and others,
         f"--self-test takes no other option, received {''.join(others[:1])}"),
        (given.compile and (given.candidate or given.program),
         "--compile is for torch_impl's network: leave out --candidate and --program"),
        (given.model and given.sizes, "--sizes are those of the --model: leave one out"),
        (len(set(named)) < len(named),
         "--json, --junit and --divergence: expected different files, received one twice"),
    ):  # fmt: skip
        if wrong:
            found.error(text)


def run(arguments: argparse.Namespace) -> int:
    """Run the chain and return the exit status."""
    from compare import chain, host, report
    from model.atomic_write import check_target

    host.keep_memory()
    for path in filter(None, (arguments.json, arguments.junit, arguments.divergence)):
        check_target(path)
    given = {k: v for k, v in vars(arguments).items() if k not in NOT_FOR_PROVE}
    if arguments.compile:  # every mini-batch size that is tried is compiled, in one call of train
        given["timeout"] = max(given["timeout"], COMPILER_TIMEOUT)
    with under_way() as status:
        proof = chain.prove(
            "compare.twins:CompiledTwin" if arguments.compile else arguments.candidate,
            command=arguments.program,
            sizes=[n for part in arguments.sizes or () for n in part] or None,
            download=download,
            tell=lambda text: status.update(text),
            **given,
        )
    if arguments.json is not None:
        report.save_json(proof, arguments.json)
    if arguments.junit is not None:
        report.save_junit(proof, arguments.junit)
    with contextlib.suppress(AttributeError, ValueError):  # what no such terminal can show
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    print(report.as_text(proof, width(), colour=True))
    return proof.status


NOT_FOR_PROVE = ("candidate", "compile", "program", "sizes", "json", "junit", "self_test")


def download(folder: Path) -> None:
    """Put MNIST into a folder by torchvision, or raise OSError."""
    try:
        from torch_impl import mnist_loader
    except ImportError as error:
        raise OSError(f"torchvision is not installed: {error}") from error
    mnist_loader.download(folder)


def self_test() -> int:
    """Print which link catches which known mistake; return 0 where every one is caught."""
    from compare import kills

    with under_way() as status:
        found = kills.self_test(on_kill=lambda kill: status.update(kill.mutant.name))
    print("\n".join(kills.matrix(found, width())))
    return int(any(kill.failure or kill.falsely_named for kill in found))


def under_way() -> Any:
    """Return rich's status, which is shown on a terminal alone."""
    from rich.console import Console

    return Console(stderr=True, highlight=False).status("starting", spinner="line")


def width() -> int:
    """Return the width of the terminal, between 60 and 200 columns."""
    return min(200, max(60, shutil.get_terminal_size((100, 24)).columns))


def taken(convert: Callable[[str], Any], fits: Callable[[Any], Any], what: str) -> Any:
    """Return a type for argparse: what a text is turned into, which of that is taken, in words."""

    def read(text: str) -> Any:
        with contextlib.suppress(ValueError):
            if fits(found := convert(text)):
                return found
        raise argparse.ArgumentTypeError(f"expected {what}, received {text!r}")

    return read


sizes = taken(lambda text: [int(part) for part in text.strip("[] ").split(",")], bool,
              "whole numbers such as 784 20 10")  # fmt: skip
whole = taken(lambda text: int(text) if text.isdecimal() and text.isascii() else -1,
              lambda n: n >= 0, "a whole number, 0 or more")  # fmt: skip
positive = taken(float, lambda v: 0 < v < float("inf"), "a number above 0")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as Ctrl-C does
    sys.exit(main())
