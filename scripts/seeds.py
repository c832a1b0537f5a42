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
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import write_atomically
from model.initial import initial_parameters
from model.mnist_files import MnistFiles
from model.neurons import ablation, firing_counts
from model.observe import observe, trace
from model.parameters import Parameters
from model.universality import correlations, matched, partitions
from reference.arithmetic import FixedPoint, parameter_bits
from reference.network import Network
from scripts.command_line import find_data, load_examples, make_folder, program, start
from scripts.processes import run_all, tell
from scripts.progress import busy, counting
from scripts.training import read

FORMAT = "jalebi-seeds-1"
EPOCHS, MINI_BATCH_SIZE, ETA = 30, 10, 3.0
ORDER = 14  # the order of examples that all arms but one share: the shipped network's
OTHER_ORDERS = 1000  # the order arm's seeds begin here
WIDTHS, WIDE, HIDDEN = (5, 10, 40, 80), 5, 20  # of the other widths, so many seeds
EARLY = (1, 2, 5, 10)  # epochs after which a base network is kept too
TOGETHER = 6  # networks that are trained as one: more no longer fit the cache
PRUNED = (0.5, 0.75, 0.9)  # of a neuron's weights, the smallest, set to zero


@program(__doc__, "data", "output", "families", "processes", output="runs/seeds")
def main(args: argparse.Namespace) -> None:
    """Train what is not trained yet, measure, and say where the result is."""
    make_folder(args.output)
    files = find_data(args.data)
    every = members(args.families)
    left = [one for one in every if not one.file(args.output).exists()]
    jobs = {str(group): (train, group, args.output) for group in groups(left)}
    done = (len(every) - len(left)) * EPOCHS
    with counting(len(every) * EPOCHS, {"networks": done}) as show:

        def on_news(networks: int, news: str) -> None:
            nonlocal done
            done += networks
            show(done, news)

        if jobs:
            run_all(jobs, files, on_news, args.processes)
    with busy("measuring"):
        found = json.dumps(measure(args.families, args.output, files)) + "\n"
    print(f"wrote {write_atomically(args.output / 'seeds.json', found.encode())}")


@dataclass(frozen=True)
class Member:
    """One network of the study: an arm, the seed of its start, the width of its hidden layer."""

    arm: str
    seed: int
    hidden: int = HIDDEN

    @property
    def order(self) -> int:
        """The seed of the order of examples."""
        return OTHER_ORDERS + self.seed if self.arm == "order" else ORDER

    @property
    def kept(self) -> tuple[int, ...]:
        """The epochs after which it is kept."""
        return (*(EARLY if self.arm == "base" else EARLY[:1]), EPOCHS)

    def file(self, folder: Path, epochs: int = EPOCHS) -> Path:
        """Where it is kept after so many epochs."""
        return folder / f"{self.arm}-{self.hidden:02d}-{self.seed:03d}-{epochs:02d}.json"

    def network(self) -> Network:
        """The untrained network; in the rounding arm one output weight is one grid unit larger."""
        net = in_fixed_point(initial_parameters((784, self.hidden, 10), self.seed))
        if self.arm == "rounding":
            draw = np.random.default_rng(self.seed)
            digit, neuron = draw.integers(10), draw.integers(self.hidden)
            net.weights[1][digit, neuron] += 2.0 ** -parameter_bits(net.sizes)
        return net


def in_fixed_point(parameters: Parameters) -> Network:
    """The network that computes with these parameters."""
    return Network.from_parameters(parameters, FixedPoint())


def members(families: int) -> list[Member]:
    """The networks of the study; half of the families have another order too."""
    found = [Member(arm, seed) for seed in range(families) for arm in ("base", "rounding")]
    found += [Member("order", seed) for seed in range((families + 1) // 2)]
    wide = min(WIDE, families // 10)
    return found + [Member("width", seed, hidden) for seed in range(wide) for hidden in WIDTHS]


# --- Training, one process a core ------------------------------------------------------------


class Together(Network):
    """Networks of one shape as one, block by block: as sums are exact, to the same bits.

    What no block holds stays 0, and a 0 changes no exact sum; so 6 networks that see the examples
    in one order take little more than half the time.
    """

    def __init__(self, nets: Sequence[Network]) -> None:
        inputs, hidden, outputs = nets[0].sizes
        super().__init__([inputs, hidden * len(nets), outputs * len(nets)])
        self.arithmetic = nets[0].arithmetic  # of one of them: its sums are as long as theirs
        self.blocks = np.kron(np.eye(len(nets)), np.ones((outputs, hidden)))
        wide = [np.tile(net.weights[1], len(nets)) for net in nets]
        self.weights = [np.vstack([net.weights[0] for net in nets]), np.vstack(wide) * self.blocks]
        self.biases = [np.vstack([net.biases[layer] for net in nets]) for layer in (0, 1)]

    def backprop(self, x: np.ndarray, y: np.ndarray) -> Any:
        nabla_b, nabla_w = super().backprop(x, y)
        nabla_w[1] *= self.blocks
        return nabla_b, nabla_w

    def parts(self, count: int) -> Iterable[Any]:
        """The weights and biases of each network."""
        rows = [np.split(v, count) for v in (*self.weights, *self.biases)]
        for k, (first, second, hidden, outputs) in enumerate(zip(*rows, strict=True)):
            yield [first, np.split(second, count, axis=1)[k]], [hidden, outputs]


def groups(left: Iterable[Member]) -> list[list[Member]]:
    """Networks that can be trained as one, the largest groups first: they take least each."""

    def shape(one: Member) -> tuple[int, int]:
        return one.order, one.hidden

    found: list[list[Member]] = []
    for _, alike in itertools.groupby(sorted(left, key=shape), shape):
        several = list(alike)
        found += [several[k : k + TOGETHER] for k in range(0, len(several), TOGETHER)]
    return sorted(found, key=len, reverse=True)


def train(group: list[Member], folder: Path) -> None:
    """Train a group in a process of its own, keep each of its networks, and tell of every epoch.

    What is stopped is not kept.
    """
    data = read("numpy")[0]
    net = Together([member.network() for member in group])

    def keep(epoch: int, _: int | None) -> None:
        for member, part in zip(group, net.parts(len(group)), strict=True):
            if epoch + 1 in member.kept:  # the last file is written last: it is there when all are
                made = {"arm": member.arm, "seed": member.seed, "order": member.order}
                sizes, (weights, biases) = (784, member.hidden, 10), part
                kept = Parameters(sizes, weights, biases, made)
                kept.save(member.file(folder, epoch + 1))
        tell(len(group), f"{member.arm}, seed {member.seed}, {member.hidden} hidden")

    wide = type(data)(data.x, np.tile(data.y, (1, len(group))))
    rng = np.random.default_rng(group[0].order)
    net.SGD(wide, EPOCHS, MINI_BATCH_SIZE, ETA, rng=rng, on_epoch=keep)


# --- Measuring -------------------------------------------------------------------------------


def measure(families: int, folder: Path, files: MnistFiles) -> dict[str, Any]:
    """All that the study keeps of its networks: some numbers of each, and of each pair."""
    _, validation, test = load_examples(files, "numpy")
    every = [one for one in members(families) if one.file(folder).exists()]
    zs, networks = {}, []
    for member in every:
        kept = {e: Parameters.load(member.file(folder, e)) for e in member.kept}
        zs[member], entry = measured(member, in_fixed_point(kept[EPOCHS]), validation, test)
        entry["fingerprints"] = {epochs: one.fingerprint[:16] for epochs, one in kept.items()}
        if member.arm == "base":
            final = zs[member], np.array(entry["fired"])
            early = {e: in_fixed_point(kept[e]) for e in EARLY}
            entry["early"] = {e: _against(*final, net, validation) for e, net in early.items()}
        networks.append(entry)
    bases = [m for m in every if m.arm == "base"]
    others = [*bases[1:], bases[0]]
    return {
        "format": FORMAT,
        "data": files.sha256,
        "shown": np.bincount(validation.y, minlength=10).tolist(),
        "networks": networks,
        "pairs": [_pairs(*two, zs, validation.x) for two in zip(bases, others, strict=True)],
    }


def measured(
    member: Member, net: Network, validation: Any, test: Any
) -> tuple[Any, dict[str, Any]]:
    """z on the validation images, and what is kept of one network."""
    seen = observe(net, validation.x)
    fired, shown = firing_counts(seen.activations, validation.y, 10)
    entry = {
        "arm": member.arm,
        "seed": member.seed,
        "order": member.order,
        "hidden": member.hidden,
        "correct": [int((seen.predictions == validation.y).sum()), net.evaluate(test)],
        "fired": fired.tolist(),
    }
    for way, held in (("frozen", seen.frozen), ("deleted", seen.deleted)):
        lost = ablation(held, seen.predictions, validation.y, shown)
        most = zip(lost.most_needed_digit, np.nanmax(lost.recall_lost, axis=1), strict=True)
        entry[way] = [[int(digit), round(float(points), 4)] for digit, points in most]
    if member.arm == "base":
        own = {share: _against(seen.zs, fired, pruned(net, share), validation) for share in PRUNED}
        entry["pruned"] = own
    return seen.zs, entry


def pruned(net: Network, share: float) -> Network:
    """The network without the smallest of each hidden neuron's weights."""
    weights, biases = net.export()
    largest = np.quantile(np.abs(weights[0]), share, axis=1, keepdims=True)
    weights[0][np.abs(weights[0]) <= largest] = 0
    return in_fixed_point(Parameters(net.sizes, weights, biases))


def _against(zs: Any, fired: Any, net: Network, validation: Any) -> dict[str, Any]:
    """How alike the same neurons are, how many have the same partition, and the accuracy."""
    found, activations, outputs = trace(net, validation.x)
    again, shown = firing_counts(activations, validation.y, 10)
    final = partitions(fired, shown)
    return {
        "alike": round(float(np.median(np.abs(np.diag(correlations(zs, found))))), 4),
        "kept": int(((partitions(again, shown) == final) & (final >= 0)).sum()),
        "correct": int((outputs.argmax(axis=1) == validation.y).sum()),
    }


def _pairs(base: Member, other: Member, zs: dict[Member, Any], images: Any) -> dict[str, Any]:
    """Correlations of z of matched neurons: a base with each arm, and with a random layer."""
    drawn = {m: trace(m.network(), images)[0] for m in (base, other)}
    against = {
        "start": (zs[base], zs[other]),
        "random": (zs[base], drawn[other]),
        "both random": (drawn[base], drawn[other]),
    }
    for arm in ("rounding", "order"):
        one = Member(arm, base.seed)
        if one in zs:
            against[arm] = zs[base], zs[one]
    found = {name: matched(correlations(*two)) for name, two in against.items()}
    return {"seed": base.seed, **{name: np.round(r, 3).tolist() for name, r in found.items()}}


if __name__ == "__main__":
    start(main)
