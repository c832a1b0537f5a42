"""Time one epoch of each network beside the book's loop, interleaved in one run.

python -m scripts.benchmark --rounds 5
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from model.parameters import Parameters
from scripts import note
from scripts.command_line import SHIPPED_START, command, find_data, parser, start, whole_number
from scripts.progress import Epochs, busy
from scripts.timing import check_equal, contestants, interleaved, table


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of seconds and ratios."""
    options = parser(__doc__, "device", "compile", "data")
    options.add_argument(
        "--rounds", type=whole_number(1), default=5, metavar="N", help="epochs of each (default: 5)"
    )
    options.add_argument(
        "--examples", type=whole_number(10), metavar="N",
        help="in an epoch (default: all training examples)",
    )  # fmt: skip
    args = options.parse_args(argv)
    with busy("reading the data, and comparing fingerprints"):
        files = find_data(args.data)
        begin = Parameters.load(SHIPPED_START)
        found = contestants(begin, files, args.device, args.examples, args.compile)
        equal = check_equal(found)
    with Epochs(args.rounds * len(found), 0, "timing") as progress:
        times = interleaved(found, args.rounds, progress.advance)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    print(table(times))
    print(f"All in fixed-point have the fingerprint {equal}.")
    print(f"NumPy {np.__version__} ({blas['name']} {blas['version']}), PyTorch {version('torch')}")
    if files.notice:
        note(files.notice)
    return 0


if __name__ == "__main__":
    start(main)
