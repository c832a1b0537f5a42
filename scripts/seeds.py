"""Train networks that differ in start, order or rounding alone, and measure what stays the same.

python -m scripts.seeds --output runs/seeds

What is looked for was written before any of these networks was looked at; 13 others had been.

A family has a base network, one that differs from it by one grid unit in one output weight
(*rounding*), and, in half of the families, one in another order of the examples (*order*). All
bases share one order and differ in their start (*start*). z is that of the 10,000 validation
images, neurons are matched one to one by the largest sum of |correlation of z|, and every interval
is a bootstrap over families, or of a share Wilson's.

1. How alike are matched neurons? Expected, in the median: rounding over 0.98, order 0.8 to 0.9,
   start 0.6 to 0.7, and less against a random layer (the other base's start, untrained).
2. Which partitions of the digits are universal, found in 9 of 10 bases or more? Expected:
   {4, 7, 9} is, {5, 6} is not.
3. Is the digit that is needed most, with the neuron frozen, on the rarer side of the switch?
   Expected: in 4 of 5 neurons or more; deleted, in fewer.
4. After how many epochs does a neuron have the partition that it ends with? Expected: more than
   half after the first.
5. Are the partitions still there when the smallest half, three quarters or nine tenths of a
   neuron's weights are zero? Expected: more than half at a half.
6. Are neurons of wider layers closer to single digits? Expected: yes.

What is found besides is found on the families of even seeds, and held against those of odd ones.
"""

import argparse
import json

from model.atomic_write import write_atomically
from model.printable import printable
from scripts.command_line import find_data, make_folder, program, start
from scripts.processes import run_all
from scripts.progress import busy, counting
from scripts.seed_study import EPOCHS, groups, measure, members, train


@program(__doc__, "data", "output", "families", "processes", output="runs/seeds")
def main(args: argparse.Namespace) -> None:
    """Train what is not trained yet, measure, and say where the result is."""
    make_folder(args.output)
    files = find_data(args.data)
    every = members(args.families)
    left = [one for one in every if not one.file(args.output).exists()]
    jobs = {str(group): (train, group, args.output) for group in groups(left)}
    done = (len(every) - len(left)) * EPOCHS
    with counting(len(every) * EPOCHS, done, "networks") as tell:

        def on_news(networks: int, news: str) -> None:
            nonlocal done
            done += networks
            tell(done, news)

        if jobs:
            run_all(jobs, files, on_news, args.processes)
    with busy("measuring"):
        found = json.dumps(measure(args.families, args.output, files)) + "\n"
    print(f"wrote {printable(write_atomically(args.output / 'seeds.json', found.encode()))}")


if __name__ == "__main__":
    start(main)
