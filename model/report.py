"""The words of the report: the network, its training, the method, the findings, as far as known.

Everything is read off the parameters' metadata and the records, so that it is true of the model at
hand; what a file does not say is not claimed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from model import captions
from model.findings import findings
from model.records import FIRING_ACTIVATION, NeuronRecords
from model.sample import ParametersLike

Section = tuple[str, list[str]]


def sections(parameters: ParametersLike, records: NeuronRecords) -> list[Section]:
    """Write the report as headings, each with its sentences."""
    return [
        ("The network", [*_network(records), *_training(parameters.metadata)]),
        ("What was found", findings(records)),
        ("How it was measured", _method(records)),
        ("How a neuron gets its role", _rule(records)),
    ]


def history(metadata: Mapping[str, Any]) -> tuple[list[int], int]:
    """Validation images recognised after each epoch, and out of how many; ([], 0) if not told."""
    accuracy = metadata.get("accuracy")
    if not isinstance(accuracy, Mapping):
        return [], 0
    correct, examples = accuracy.get("validation"), accuracy.get("validation_of")
    counts = isinstance(correct, list) and all(isinstance(count, int) for count in correct)
    if not counts or not isinstance(examples, int) or examples < 1:
        return [], 0
    return list(correct or []), examples


def note(records: NeuronRecords, split: str, model: str, fingerprint: str, notice: str) -> str:
    """Write the small print of a figure: which images and which model it shows.

    Parameters
    ----------
    split
        "training", "validation" or "test".
    model
        The file's name.
    fingerprint
        Of the parameters.
    notice
        What every result on these images must repeat; "" for MNIST.
    """
    plural = "" if records.examples == 1 else "s"
    told = f"{records.examples:,} {split} image{plural}; {model}, fingerprint {fingerprint[:12]}"
    # Why the images are not MNIST, in brackets, is for the terminal: a figure has no room for it.
    return f"{told}; {re.sub(r' [(].*[)](?=:)', '', notice)}" if notice else told


def _network(records: NeuronRecords) -> list[str]:
    told = [f"This report opens {captions.layer(records)}."]
    if records.correct is not None:
        share = captions.percent(records.correct / records.examples, 2)
        told.append(
            f"Of the {records.examples:,} images looked at here the network recognises "
            f"{records.correct:,} ({share})."
        )
    return told


def _training(metadata: Mapping[str, Any]) -> list[str]:
    known = ("epochs", "mini_batch_size", "eta")
    if not all(isinstance(metadata.get(key), int | float) for key in known):
        return ["How it was trained, its file does not say."]
    told = (
        f"It was trained for {metadata['epochs']} epochs of stochastic gradient descent on the "
        f"quadratic cost, with mini-batches of {metadata['mini_batch_size']} and a learning rate "
        f"eta of {metadata['eta']}"
    )
    arithmetic = metadata.get("arithmetic")
    return [
        f"{told}, in {arithmetic} arithmetic." if arithmetic else f"{told}.",
        *_tested(metadata),
    ]


def _tested(metadata: Mapping[str, Any]) -> list[str]:
    accuracy = metadata.get("accuracy")
    if not isinstance(accuracy, Mapping):
        return []
    correct, examples = accuracy.get("test"), accuracy.get("test_of")
    if not isinstance(correct, int) or not isinstance(examples, int) or examples < 1:
        return []
    share = captions.percent(correct / examples, 2)
    return [f"After training it recognised {correct:,} of {examples:,} test images ({share})."]


def _method(records: NeuronRecords) -> list[str]:
    return [
        "Three questions are asked of every neuron, and their answers often differ.",
        "What does it respond to? Its weighted input z on every image, by digit; the share of the "
        f"images on which it fires (activation over {FIRING_ACTIVATION}); the set of digits whose "
        "membership best predicts firing, by Matthews correlation (Matthews 1975) over all sets; "
        "how well z tells each digit from the others, by AUROC (Hanley and McNeil 1982); and the "
        "class selectivity index of its mean activations (Morcos et al. 2018).",
        "What does it push towards? Its weights into the next layer.",
        "What is it needed for? The recall of each digit that is lost while the neuron is held at "
        "its mean activation (mean-ablation; Morcos et al. 2018, Zhou et al. 2018).",
        "Images are ranked by z, not by activation, which saturates and ties.",
        *_start(records),
    ]


def _start(records: NeuronRecords) -> list[str]:
    if any(record.weights.change is None for record in records.neurons):
        return ["The start of this network is not at hand: what training changed is not shown."]
    return [
        "Beside the weights stands what training changed: the weights minus the weights that "
        "training started from. Pixels that no training image lights are grey."
    ]


def _rule(records: NeuronRecords) -> list[str]:
    rule = records.thresholds
    low, high = captions.percent(rule.idle), captions.percent(1 - rule.idle)
    told = [
        f"Fires on less than {low} or more than {high} of the images: idle.",
        f"Otherwise, best Matthews correlation under {rule.weak:g}: weak.",
        f"Otherwise, a single digit within {rule.single:g} of the best: class-selective; all "
        "digits but one: anti-class.",
        "Otherwise: feature-selective, named by its best set of digits.",
    ]
    if records.resamples:
        told.append(
            f"Each role is tried again on {records.resamples:,} bootstrap resamples of the images; "
            "its stability is the share of them that give the same role and digits."
        )
    return told
