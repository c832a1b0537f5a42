"""What both twins ask of sizes, shapes, settings and files, and how they say it.

What computes nothing stands once: model/ and torch_impl/ ask with it too. Nor is NumPy imported:
the programs import this before they say on how many threads it computes.
"""

import gzip
import math
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

ADVICE = "give a folder with MNIST's four IDX files (raw or .gz), or Nielsen's mnist.pkl.gz"
REPAIR = "replace it by the file of MNIST"
FEWEST_BITS = 12  # below this a grid is too coarse to learn on


def printable(text: object) -> str:
    """Return text from outside as it can be shown: what could steer a terminal is written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def refusal(path: Path, error: Exception) -> Exception:
    """Return what stopped the reading of a file in one line: the system, or else damage."""
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        why = (error.strerror or str(error)).lower()
        line = f"{path}: cannot be read, {why}; let this user read it, or {ADVICE}"
        return type(error)(printable(line))
    why = " ".join(str(error).split())[:200] or type(error).__name__
    return ValueError(printable(f"{path}: damaged or cut short ({why}); {REPAIR}"))


def wrong(path: Path, expected: str, received: object) -> ValueError:
    """Return what a file should have held and did not, in one line."""
    return ValueError(printable(f"{path}: expected {expected}, received {received}; {REPAIR}"))


def checked_sizes(sizes: Sequence[int]) -> list[int]:
    """Return the sizes as a list, or raise ValueError if no network has them."""
    whole = [n for n in sizes if isinstance(n, Integral) and not isinstance(n, bool) and n >= 1]
    if not len(whole) == len(sizes) >= 2:
        raise ValueError(
            "sizes are two or more whole numbers of units, each at least 1, such as [784, 20, 10]; "
            f"received {sizes}"
        )
    return [int(n) for n in whole]


def check_shapes(sizes: Sequence[int], weights: Sequence[Any], biases: Sequence[Any]) -> None:
    """Raise ValueError unless the weights and the biases, columns, are those of these sizes."""
    for name, arrays, inputs in (("weights", weights, sizes), ("biases", biases, [1] * len(sizes))):
        expected = list(zip(sizes[1:], inputs, strict=False))
        received = [tuple(getattr(v, "shape", ())) for v in arrays]
        if received != expected:
            shapes = f"have the shapes {expected}; received {received}"
            raise ValueError(f"{name} of these sizes {shapes}")


def check_settings(examples: int, epochs: int, mini_batch_size: int, eta: float) -> None:
    """Raise ValueError unless one can train with these settings on this number of examples."""
    if not isinstance(epochs, Integral) or epochs < 0:
        raise ValueError(f"epochs is a whole number, 0 or more; received {epochs}")
    if not isinstance(mini_batch_size, Integral) or not 1 <= mini_batch_size <= examples:
        raise ValueError(
            f"mini_batch_size lies between 1 and the number of training examples, {examples}; "
            f"received {mini_batch_size}"
        )
    if not math.isfinite(eta):
        raise ValueError(f"eta is a finite learning rate such as 3.0; received {eta}")


def check_bits(bits: int, quantity: str, sizes: Sequence[int]) -> None:
    """Raise ValueError if so many fractional bits of a quantity are too few to learn with."""
    if bits < FEWEST_BITS:
        raise ValueError(
            f"sizes {list(sizes)} are too large for fixed-point arithmetic: {quantity} would keep "
            f"{bits} fractional bits and need at least {FEWEST_BITS}: use float64 arithmetic, or "
            f"smaller layers or mini-batches"
        )


def check_magnitude(quantity: str, peak: float, limit: float) -> None:
    """Raise OverflowError unless the largest magnitude of a fixed-point quantity is in range."""
    if not peak < limit:
        raise OverflowError(
            f"fixed-point overflow: the largest {quantity} reached {peak:.6g} in magnitude "
            f"and must stay below {limit:g}: use float64 arithmetic, or a smaller eta"
        )


def no_pixel(received: float) -> ValueError:
    """Return what is said of an input that fixed-point arithmetic cannot compute with."""
    return ValueError(
        "fixed-point inputs are multiples of 2**-8 between -1 and 1, such as byte / 256; "
        f"received {received}: scale them, or use float64"
    )


def book_lines(tests: int | None) -> Callable[[int, int | None], None]:
    """Return a function that prints the book's progress line, with that many tests if any."""

    def report(epoch: int, correct: int | None) -> None:
        print(f"Epoch {epoch} complete" if tests is None else f"Epoch {epoch}: {correct} / {tests}")

    return report
