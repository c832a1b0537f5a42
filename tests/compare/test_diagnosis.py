"""The diagnosis: known mistakes by their own numbers, at any sizes, and no false accusation."""

import numpy as np
import pytest

from compare.diagnosis import BY_LINK, UNKNOWN, diagnose
from compare.diagnosis.forward import NEURONS, PIXELS
from compare.diagnosis.gradients import FACTORS, RECIPES, named_factor
from compare.diagnosis.hypothesis import Hypothesis, first_that_explains, misfit, subjects
from compare.diagnosis.precision import in_disguise, to_bfloat16, to_float16, to_float32
from compare.difference import Link, Verdict
from compare.material import synthetic_material
from compare.mutants import mutants
from compare.mutants.correct import Columns, sigmoid, sigmoid_prime
from compare.mutants.forward import PixelsOf255
from compare.mutants.gradients import MeanGradient, NoHiddenPrime, NoOutputPrime
from compare.mutants.in_torch import TorchMSELoss
from compare.mutants.learning import LastMiniBatchDropped, SumForMean

WITHOUT_FILES = [m for m in mutants() if m.caught_by not in ("", "data")]
MATERIALS = {
    "784-20-10": synthetic_material((784, 20, 10)),
    "30-17-12-5": synthetic_material((30, 17, 12, 5)),
}
SMALL = synthetic_material((25, 12, 12, 10))


def diagnosed(candidate, link, material=SMALL):
    return diagnose(candidate, material, Link(link, Verdict.DIFFERENT, ""))


@pytest.mark.parametrize("sizes", MATERIALS)
@pytest.mark.parametrize("mutant", WITHOUT_FILES, ids=lambda m: m.name)
def test_mistake_is_recognised_at_other_sizes(mutant, sizes):
    if mutant.name == "ForgottenTranspose":
        pytest.skip("no square layer: this is no mistake at these sizes")
    found = diagnosed(mutant.candidate, mutant.caught_by, MATERIALS[sizes])
    assert found.mistake == mutant.diagnosed


def test_sentence_says_what_was_found_and_what_to_change():
    assert diagnosed(TorchMSELoss, "gradients").sentence == (
        "nabla_b and nabla_w are 0.028571 times the reference's in every entry (a mini-batch of 7, "
        "10 digits): the cost is nn.MSELoss(), a mean over the digits and the mini-batch without "
        "1/2: use nn.MSELoss(reduction='sum') / 2"
    )
    assert diagnosed(NoOutputPrime, "gradients").sentence == (
        "the output delta is a - y, the cross-entropy's: for the quadratic cost it is "
        "(a - y) sigma'(z) (BP1)"
    )
    assert diagnosed(PixelsOf255, "forward").sentence == (
        "z is that of pixels 256/255 times as bright: divide the bytes by 256, as Nielsen's "
        "files do"
    )
    assert diagnosed(SumForMean, "update").sentence == (
        "the step is 7.000000 times the reference's in every entry (a mini-batch of 7, 10 digits): "
        "it is not divided by the size of the mini-batch: w - (eta / m) nabla_w"
    )
    assert diagnosed(LastMiniBatchDropped, "training").sentence == (
        "the last, smaller mini-batch is dropped: use it too (drop_last=False)"
    )


def test_two_mistakes_at_once_are_both_named():
    class Both(NoHiddenPrime, MeanGradient):
        """No sigma prime in the hidden layers, and the mean of the gradient."""

    found = diagnosed(Both, "gradients")
    assert found.mistake == "no sigma prime in the hidden layers, and factor 1 / m"
    assert "multiply it by sigma'(z) (BP2); besides, everything is 0.142857 times that" in (
        found.sentence
    )


@pytest.mark.parametrize("name", [name for name, _, _ in FACTORS])
def test_every_factor_is_recognised(name):
    value = next(v for n, v, _ in FACTORS if n == name)

    class Scaled(Columns):
        def backprop(self, x, y):
            c = value(x.shape[1], y.shape[0])
            return tuple([c * v for v in part] for part in super().backprop(x, y))

    assert diagnosed(Scaled, "gradients").mistake == f"factor {name}"


def test_factor_of_nabla_b_alone_is_told_apart():
    class MeanOfBiases(Columns):
        def backprop(self, x, y):
            nabla_b, nabla_w = super().backprop(x, y)
            return [n / x.shape[1] for n in nabla_b], nabla_w

    assert diagnosed(MeanOfBiases, "gradients").mistake == "factor 1 / m in nabla_b"


def test_factor_without_a_meaning_is_reported_as_a_number():
    class Odd(Columns):
        def output_delta(self, z, a, y):
            return 0.375 * super().output_delta(z, a, y)

    found = diagnosed(Odd, "gradients")
    assert found.mistake == "factor 0.375"
    assert "0.375000 times the reference's in every entry" in found.sentence


def test_factors_that_coincide_are_both_offered():
    name, meaning = named_factor(0.5, 7, 2, 2.0**-41)
    assert name == "1 / 2"
    assert "1/2 twice" in meaning
    assert "; or the cost is averaged over the digits" in meaning


@pytest.mark.parametrize("mistake", sorted({name for name, _, _, _ in NEURONS}))
def test_every_other_activation_function_is_recognised(mistake):
    hidden, output = next((h, o) for name, _, h, o in NEURONS if name == mistake)

    class Other(Columns):
        def fire(self, layer, z):
            return (output if layer == self.layers[-1] else hidden)(z)

    assert diagnosed(Other, "forward").mistake == mistake


@pytest.mark.parametrize("case", range(len(PIXELS)))
def test_every_other_pixel_is_recognised(case):
    mistake, _, seen = PIXELS[case]

    class Other(Columns):
        def pixels(self, x):
            return seen(x)

    assert diagnosed(Other, "forward").mistake == mistake


@pytest.mark.parametrize("case", range(len(RECIPES)))
def test_every_other_backpropagation_is_recognised(case):
    mistake, _, recipe = RECIPES[case]

    class Other(Columns):
        def backprop(self, x, y):
            found = recipe.gradient(self.weights, *self.trace(x), y)
            layers = range(len(self.weights))
            return [found[f"nabla_b[{k}]"] for k in layers], [
                found[f"nabla_w[{k}]"] for k in layers
            ]

    assert diagnosed(Other, "gradients").mistake == mistake


# No accusation without proof.


@pytest.mark.parametrize("link", BY_LINK)
@pytest.mark.parametrize("mutant", [m for m in mutants() if not m.caught_by], ids=lambda m: m.name)
def test_nothing_is_found_in_a_correct_network(mutant, link):
    assert diagnosed(mutant.candidate, link).mistake == UNKNOWN


class SineNeurons(Columns):
    def fire(self, layer, z):
        return np.sin(z)


class OffsetZ(Columns):
    def weighted(self, layer, a):
        return super().weighted(layer, a) + 1e-7


class LargerZ(Columns):
    def weighted(self, layer, a):
        return super().weighted(layer, a) * (1 + 1e-7)


class NearlyNoPrime(Columns):
    def output_delta(self, z, a, y):
        return (a - y) * (1 + 1e-9 * z)


class NearlyHalf(Columns):
    def output_delta(self, z, a, y):
        return 2 * super().output_delta(z, a, y) + 1e-9


class PermutedRows(Columns):
    def nabla(self, zs, activations, deltas):
        nabla_b, nabla_w = super().nabla(zs, activations, deltas)
        return nabla_b, [np.roll(n, 1, axis=0) for n in nabla_w]


class SquareRootOfTheStep(Columns):
    def descend(self, nabla_b, nabla_w, eta, m):
        roots = [[np.sign(n) * np.sqrt(np.abs(n)) for n in part] for part in (nabla_b, nabla_w)]
        super().descend(*roots, eta, m)


class ShrinkingSteps(Columns):
    def train(self, x, y, order, mini_batch_size, eta):
        for k, chosen in enumerate(self.mini_batches(order, mini_batch_size)):
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta * 0.9**k)


class NoisyStart(Columns):
    def kept(self, v):
        return v + 1e-3 * np.random.default_rng(0).standard_normal(v.shape)


@pytest.mark.parametrize(
    ("candidate", "link"),
    [
        (SineNeurons, "forward"),
        (OffsetZ, "forward"),
        (LargerZ, "forward"),
        (NearlyNoPrime, "gradients"),
        (NearlyHalf, "gradients"),
        (PermutedRows, "gradients"),
        (SquareRootOfTheStep, "update"),
        (ShrinkingSteps, "training"),
        (NoisyStart, "initial weights"),
    ],
)
def test_mistake_that_is_not_known_is_said_to_be_none_of_the_known(candidate, link):
    found = diagnosed(candidate, link)
    assert found.mistake == UNKNOWN
    assert found.sentence == f"none of the known mistakes explains the numbers of the link {link}"


def test_exception_of_the_candidate_becomes_part_of_the_sentence():
    class Raises(Columns):
        def backprop(self, x, y):
            raise RuntimeError("no such layer\nsecond line")

    found = diagnosed(Raises, "gradients")
    assert found.mistake == UNKNOWN
    assert found.sentence.endswith("; looking closer, it raised RuntimeError: no such layer")


def test_nothing_explains_the_figures_of_a_correct_network():
    assert diagnosed(Columns, "figures").mistake == UNKNOWN


# Hypotheses and how they are judged.


def test_hypothesis_explains_to_within_rounding_and_no_further():
    right = {"v": np.array([1.0, 2.0, 3.0])}
    wrong = {"v": 2 * right["v"]}
    doubled = Hypothesis("doubled", "halve it", wrong)
    assert first_that_explains([doubled], wrong, right, 1e-12).mistake == "doubled"
    nearly = {"v": wrong["v"] * (1 + 1e-9)}
    assert first_that_explains([doubled], nearly, right, 1e-12) is None


def test_hypothesis_that_predicts_the_right_numbers_explains_nothing():
    right = {"v": np.array([1.0, 2.0, 3.0])}
    nothing = Hypothesis("nothing", "", {"v": right["v"] * (1 + 1e-12)})
    assert first_that_explains([nothing], right, right, 1e-11) is None


def test_every_tensor_must_agree():
    right = {"v": np.ones(3), "w": np.ones(3)}
    one = Hypothesis("one", "", {"v": 2 * right["v"], "w": right["w"]})
    assert (
        first_that_explains([one], {"v": 2 * np.ones(3), "w": 3 * np.ones(3)}, right, 1e-9) is None
    )


def test_misfit_is_infinite_for_nan_for_other_shapes_and_for_nothing_in_common():
    v = {"v": np.ones(3)}
    assert misfit(v, {"v": np.array([1.0, np.nan, 1.0])}) == np.inf
    assert misfit(v, {"v": np.ones((3, 1))}) == np.inf
    assert misfit(v, {"w": np.ones(3)}) == np.inf
    assert misfit(v, {"v": np.ones(3)}) == 0


def test_mini_batch_is_no_size_of_a_layer_so_that_factors_stay_apart():
    for sizes in ((25, 12, 12, 10), (7, 11, 10), (30, 13, 7)):
        subject = next(iter(subjects(Columns, synthetic_material(sizes))))
        assert subject.m not in sizes


# Number formats.


def product(sizes, narrowed, scale=1.0):
    rng = np.random.default_rng(4)
    w = scale * rng.standard_normal((20, sizes))
    a = rng.integers(0, 256, (sizes, 8)) / 256
    return narrowed(w) @ narrowed(a), w @ a


def to_tf32(v):
    bits = np.ascontiguousarray(v, dtype=np.float32).view(np.uint32)
    return ((bits + 0x1000) & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("inputs", [4, 30, 784])
@pytest.mark.parametrize(
    ("name", "narrowed", "result"),
    [
        ("float32", to_float32, lambda v: v),
        ("float32", to_float32, to_float32),
        ("TF32", to_tf32, to_float32),
        ("TF32", to_tf32, lambda v: v),
        ("bfloat16", to_bfloat16, to_bfloat16),
        ("bfloat16", to_bfloat16, lambda v: v),
        ("float16", to_float16, to_float16),
    ],
)
def test_format_is_recognised_by_its_numbers_or_the_size_of_its_errors(
    name, narrowed, result, inputs, scale
):
    found, right = product(inputs, narrowed, scale)
    assert in_disguise("z", result(found), right, "float64").mistake == name


def test_declared_format_is_no_disguise():
    found, right = product(30, to_float32)
    assert in_disguise("z", found, right, "float32") is None
    assert in_disguise("z", found, right, "float64").sentence == (
        "z is right to about 26 bits in every entry, as if computed in float32 (24 bits): "
        "a dtype=torch.float32 or numpy.float32 is left somewhere"
    )


@pytest.mark.parametrize("wrong", [lambda v: v + 1e-7, lambda v: v * (1 + 1e-7), lambda v: v])
def test_offset_factor_and_no_error_at_all_are_no_rounding(wrong):
    _, right = product(30, lambda v: v)
    assert in_disguise("z", wrong(right), right, "float64") is None


def test_error_in_a_few_entries_is_no_rounding():
    _, right = product(30, lambda v: v)
    found = right.copy()
    found[:3] *= 1 + 1e-7 * np.random.default_rng(0).standard_normal((3, 8))
    assert in_disguise("z", found, right, "float64") is None


def test_sigmoid_of_the_mutants_is_the_sigmoid():
    z = np.array([-800.0, -1.0, 0.0, 2.0, 800.0])
    assert sigmoid(z)[[0, 2, 4]].tolist() == [0.0, 0.5, 1.0]
    assert sigmoid_prime(z)[2] == 0.25


@pytest.mark.parametrize(("name", "narrowed"), [("bfloat16", to_bfloat16), ("float16", to_float16)])
def test_parameters_rounded_after_the_step_are_recognised(name, narrowed):
    class Rounded(Columns):
        def descend(self, nabla_b, nabla_w, eta, m):
            super().descend(nabla_b, nabla_w, eta, m)
            self.weights = [narrowed(w) for w in self.weights]
            self.biases = [narrowed(b) for b in self.biases]

    assert diagnosed(Rounded, "update").mistake == name


def test_step_computed_in_float32_is_recognised():
    class Narrow(Columns):
        def descend(self, nabla_b, nabla_w, eta, m):
            super().descend(
                [to_float32(n) for n in nabla_b], [to_float32(n) for n in nabla_w], eta, m
            )

    found = diagnosed(Narrow, "update")
    assert found.mistake == "float32"
    assert found.sentence.startswith("the step of weights[0] is right to about")


def test_deltas_alone_may_be_wrong():
    class MeanDeltas(Columns):
        def deltas(self, x, y):
            return [delta / x.shape[1] for delta in super().deltas(x, y)]

    found = diagnosed(MeanDeltas, "gradients")
    assert found.mistake == "factor in deltas"
    assert found.sentence.startswith("deltas are 0.142857 times the reference's in every entry")


def test_overflow_is_named():
    class Overflows(Columns):
        def fire(self, layer, z):
            with np.errstate(all="ignore"):
                return np.exp(20 * z) / (1 + np.exp(20 * z)) if np.abs(z).max() > 35 else sigmoid(z)

    found = diagnosed(Overflows, "forward")
    assert found.mistake == "overflow"
    assert "write the sigmoid so that exp does not overflow" in found.sentence


def test_single_entry_is_shown_with_both_values():
    mutant = next(m for m in mutants() if m.name == "OneEntryOfMany")
    sentence = diagnosed(mutant.candidate, "gradients").sentence
    assert sentence.startswith("1 of 598 entries is wrong, the first nabla_w[1][2, 3], ")
    assert sentence.endswith(": look where entries are read or written one by one")
