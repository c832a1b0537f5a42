"""What a neuron record holds, field by field; `model.neurons` fills them in.

Frozen dataclasses; their arrays are read-only, float64 where nothing else is said.

Axis words: *pixels* 784, *hidden* 20, *digits* 10, *examples* N, *inputs* 8 (ranked images),
*bins* 64 and *quantiles* 7 (constants below), *next* the width of the layer after the first hidden
one (10, the digits, where there is one hidden layer).

Where a mean, a rate, a recall or an AUROC is of a digit with no image, it is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.roles import Role, RoleThresholds

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: A neuron fires on an image where its activation is above this.
FIRING_ACTIVATION = 0.5
#: Levels of RespondsTo.z_quantiles.
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
#: Number of equal bins of RespondsTo.z_histogram.
BINS = 64
#: How many images each ranking holds, fewer where there are fewer images.
RANKED = 8
#: ln 99: beyond it the activation is under 0.01 or over 0.99 and the sigmoid's slope under 1 %.
SATURATED_Z = 4.59511985013459


@dataclass(frozen=True, eq=False)
class RankedInputs:
    """Images in an order; where two are equal the lower dataset index comes first.

    Parameters
    ----------
    indices
        (inputs,) int64, positions in the data set's split, counted from 0.
    labels
        (inputs,) int64, the digit on each.
    zs
        (inputs,) float64, the neuron's z (weighted input) on each.
    activations
        (inputs,) float64, its activation on each, 0 to 1.
    """

    indices: IntArray
    labels: IntArray
    zs: FloatArray
    activations: FloatArray


@dataclass(frozen=True, eq=False)
class RespondsTo:
    """Which images a neuron responds to.

    Parameters
    ----------
    z_mean, z_sd
        (digits,) mean and population standard deviation of z over the images of each digit.
    z_quantiles
        (digits, quantiles) the QUANTILES of z, linear between order statistics.
    z_histogram
        (digits, bins) int64, number of images in each bin of NeuronRecords.z_edges.
    activation_mean
        (digits,) mean activation by digit, 0 to 1: the seed study's measure.
    activation_mean_all
        Mean activation over all images: the value at which mean-ablation holds the neuron.
    fired
        (digits,) int64, number of images of each digit with activation > FIRING_ACTIVATION.
    firing_rate
        (digits,) fired / shown, 0 to 1.
    firing_rate_all
        Fraction of all images on which it fires, 0 to 1.
    best_set
        The digit set S, ascending, whose membership best predicts firing.
    best_mcc
        Matthews correlation of "is in S" with "fires", 0 to 1.
    best_iou
        Intersection over union of "is in S" and "fires", 0 to 1.
    digit_mcc
        (digits,) Matthews correlation of "is this digit" with "fires", -1 to 1; all digits but
        this one have its negative; 0 for a digit with no image.
    auroc
        (digits,) probability that z is larger on an image of this digit than on one of another
        digit, ties counted half; 0.5 is chance.
    class_selectivity
        Class selectivity index of Morcos et al. 2018, 0 (none) to 1.
    preferred_digit
        The digit with the largest mean activation, of which the index speaks.
    saturated_low, saturated_high
        Fraction of all images with z < -SATURATED_Z and with z > SATURATED_Z.
    """

    z_mean: FloatArray
    z_sd: FloatArray
    z_quantiles: FloatArray
    z_histogram: IntArray
    activation_mean: FloatArray
    activation_mean_all: float
    fired: IntArray
    firing_rate: FloatArray
    firing_rate_all: float
    best_set: tuple[int, ...]
    best_mcc: float
    best_iou: float
    digit_mcc: FloatArray
    auroc: FloatArray
    class_selectivity: float
    preferred_digit: int
    saturated_low: float
    saturated_high: float


@dataclass(frozen=True, eq=False)
class PushesTowards:
    """The weights with which a neuron acts on the next layer.

    Parameters
    ----------
    weights
        (next,) weight into each neuron of the next layer; positive pushes towards it.
    to_digits
        True where the next layer is the output, so that `weights` is (digits,).
    """

    weights: FloatArray
    to_digits: bool


@dataclass(frozen=True, eq=False)
class NeededFor:
    """What the network loses while a neuron is held at its mean activation.

    Parameters
    ----------
    recall
        (digits,) recall of each digit, 0 to 1, with the neuron held.
    recall_lost
        (digits,) intact recall minus `recall`, -1 to 1; negative where holding it helps.
    correct
        Number of images recognised with the neuron held.
    accuracy_lost
        Fraction of all images that are no longer recognised, net of those gained.
    confusion
        (digits, digits) int64, images of each digit (row) read as each digit (column), held.
    most_needed_digit
        The digit with the largest recall_lost, the lowest of equals.
    mistaken_for
        What the images of most_needed_digit are most often wrongly read as while the neuron is
        held; -1 where none is misread.
    """

    recall: FloatArray
    recall_lost: FloatArray
    correct: int
    accuracy_lost: float
    confusion: IntArray
    most_needed_digit: int
    mistaken_for: int


@dataclass(frozen=True, eq=False)
class Weights:
    """A neuron's own weights, what training made of them, and how much of them is noise.

    Parameters
    ----------
    weights
        (pixels,) weight of each pixel, row by row; positive excites.
    bias
        The neuron's bias.
    change
        (pixels,) weights minus initial weights; None where the start is unknown.
    bias_change
        Bias minus initial bias; None where the start is unknown.
    start_correlation
        Pearson correlation of weights and initial weights over the pixels, -1 to 1; NaN where one
        of them is constant; None where the start is unknown.
    never_lit_share
        Share of the sum of |weight| that lies on never-lit pixels, 0 to 1, which no image sees;
        None where no mask was handed in.
    """

    weights: FloatArray
    bias: float
    change: FloatArray | None
    bias_change: float | None
    start_correlation: float | None
    never_lit_share: float | None


@dataclass(frozen=True, eq=False)
class NeuronRecord:
    """All that is known of one hidden neuron.

    Parameters
    ----------
    number
        Its place in the first hidden layer, counted from 0.
    name
        Its informal name, from the parameters' metadata; "" where it has none.
    role
        Role with kind, digits, stability, kind_stability, shares: see `model.roles.Role`.
    responds_to, pushes_towards, weights
        The records above.
    needed_for
        None where no ablated predictions were handed in.
    highest, lowest
        The images with the largest z, largest first, and with the smallest, smallest first.
    nearest_zero
        The images with the smallest |z|, smallest first: on the edge between firing and not.
    """

    number: int
    name: str
    role: Role
    responds_to: RespondsTo
    pushes_towards: PushesTowards
    needed_for: NeededFor | None
    weights: Weights
    highest: RankedInputs
    lowest: RankedInputs
    nearest_zero: RankedInputs


@dataclass(frozen=True, eq=False)
class NeuronRecords:
    """The records of every neuron of the first hidden layer, and what they share.

    Parameters
    ----------
    neurons
        NeuronRecord of neuron 0, 1, ...
    sizes
        The network's layer sizes.
    examples
        N, the number of images behind every figure here.
    shown
        (digits,) int64, number of images of each digit.
    z_edges
        (bins + 1,) ascending edges of every z_histogram, shared by all neurons and digits.
    never_lit
        (pixels,) bool, True where no training image lights the pixel; None where unknown.
    confusion
        (digits, digits) int64, the intact network: images of each digit (row) read as each digit
        (column); None where no predictions were handed in.
    recall
        (digits,) intact recall, 0 to 1; None where no predictions were handed in.
    correct
        Images that the intact network recognises; None where no predictions were handed in.
    thresholds
        The RoleThresholds of the roles.
    resamples, seed
        Of the bootstrap behind the stabilities.
    """

    neurons: tuple[NeuronRecord, ...]
    sizes: tuple[int, ...]
    examples: int
    shown: IntArray
    z_edges: FloatArray
    never_lit: BoolArray | None
    confusion: IntArray | None
    recall: FloatArray | None
    correct: int | None
    thresholds: RoleThresholds
    resamples: int
    seed: int
