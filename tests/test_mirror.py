"""The twins mirror each other: `reference.X` and `torch_impl.X` are the same thing twice.

Same files; in them the same classes, methods and functions in the same order, with the same
parameters and defaults and the same first sentence of the docstring, in which the one may say array
or NumPy where the other says tensor or PyTorch; constants of one name have one value. What differs
on purpose is listed with its reason, `-` in reference and `+` in the other; a listed difference
that is none any more fails as well. The twin in JavaScript has the same names and parameters.
"""

import ast
import difflib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# They compute nothing: both have them.
SHARED = {"border.py", "checks.py", "mnist_files.py", "nielsen_pickle.py"}

# fmt: off
LISTED = {
    "arithmetic": {
        # gradients come from autograd, which has to be told about rounding
        "+ class RoundedSigmoid: The fixed-point sigmoid, and the rounded delta on the way back.",
        "+ staticmethod RoundedSigmoid.forward(ctx, z, arithmetic)",
        "+ RoundedSigmoid.forward: Return the rounded activation.",
        "+ staticmethod RoundedSigmoid.backward(ctx, gradient)",
        "+ RoundedSigmoid.backward: Return the rounded delta, given the derivative of the cost by "
        "the activation.",
    },
    "exact_sigmoid": set(),
    "examples": {
        "+ tensor(v)",  # the border to NumPy
        "+ tensor: Return v as a _ that shares no memory with a _ _.",
        "- ones(m, dtype)",  # autograd sums over the mini-batch by itself
        "- ones: Return an _ (m, 1) that is 1 everywhere: the input that a bias is the weight of.",
        "- inputs_and_desired(net, x, y, *others)",  # what trace returned can be handed to deltas
        "+ inputs_and_desired(net, x, y)",
    },
    "mnist_loader": {
        "+ download(folder)",  # NumPy's can wait until it is there
        "+ download: Fetches MNIST from torchvision's servers to where torchvision keeps it: "
        "MNIST/raw/.",
    },
    "network": {
        # where it computes, and how steps are taken at once: NumPy needs none of it
        "- Network.__init__(self, sizes, arithmetic=Float64(), rng=None)",
        "+ Network.__init__(self, sizes, arithmetic=Float64(), rng=None, device='cpu', "
        "compile=None)",
        "- classmethod Network.from_parameters(cls, parameters, arithmetic=Float64())",
        "+ classmethod Network.from_parameters(cls, parameters, arithmetic=Float64(), "
        "device='cpu', compile=None)",
        "+ Network.forward(self, a)",  # the verb that nn.Module calls
        "+ Network.forward: Return the output activations for the input a, as a module that "
        "autograd can follow.",
        # autograd needs a trace of its own, and knows the derivative
        "- Network.deltas(self, x, y, activations=None)",
        "+ Network.deltas(self, x, y)",
        "- sigmoid_prime(a)",
        "- sigmoid_prime: Return the derivative of the sigmoid, given the activation a = "
        "sigmoid(z).",
    },
}
# fmt: on


def outline(source, within=""):
    """A line for everything public that is defined, in its order."""
    for node in ast.parse(source).body if isinstance(source, str) else source.body:
        name = f"{within}{getattr(node, 'name', '')}"
        if isinstance(node, ast.Assign) and re.fullmatch(
            "[A-Z][A-Z0-9_]*", ast.unparse(node.targets[0])
        ):
            yield f"{ast.unparse(node.targets[0])} = {ast.unparse(node.value)}"
        elif isinstance(node, ast.ClassDef):
            yield f"class {name}: {first_sentence(node)}"
            yield from outline(node, f"{name}.")
        elif isinstance(node, ast.FunctionDef) and not re.search(r"\b_(?!_)", name):
            for each in ast.walk(node.args):
                each.annotation = None
            kinds = [d.id for d in node.decorator_list if isinstance(d, ast.Name)]
            yield " ".join([*kinds, f"{name}({ast.unparse(node.args)})"])
            yield f"{name}: {first_sentence(node)}"


def first_sentence(node):
    """The first sentence of a docstring, with a blank for the framework's own words."""
    text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    match = re.match(r".*?[.!?](?=\s|$)", text)
    return re.sub(r"\b(NumPy|PyTorch|array|tensor)(?=s?\b)", "_", match[0] if match else text)


def differences(reference, torch_impl):
    """What only one of the two sources says; of constants, those that both have."""
    ours, theirs = (list(outline(source)) for source in (reference, torch_impl))
    names = [set(re.findall(r"^(\w+) = ", "\n".join(v), re.MULTILINE)) for v in (ours, theirs)]
    either = tuple(f"{name} = " for name in names[0] ^ names[1])
    ours, theirs = ([v for v in lines if not v.startswith(either)] for lines in (ours, theirs))
    assert ours, "nothing was compared"
    return sorted(line for line in difflib.ndiff(ours, theirs) if line[0] in "-+")


def source(folder, name):
    return (ROOT / folder / f"{name}.py").read_text()


@pytest.mark.parametrize("name", LISTED)
def test_twins_differ_in_what_is_listed_and_in_nothing_else(name):
    texts = [source(folder, name) for folder in ("reference", "torch_impl")]
    assert differences(*texts) == sorted(LISTED[name])
    for text in texts:  # what overrides a verb of Float64, and Python's own, says nothing again
        silent = [line for line in outline(text) if line.endswith(": ")]
        assert [n for n in silent if not re.match(r"FixedPoint\.|\w+\.__\w+__: ", n)] == []
    for node in ast.walk(tree := ast.parse(texts[1])):
        if isinstance(node, ast.Module | ast.ClassDef):
            node.body[1:] = node.body[:0:-1]  # but for the docstring: another order is found
    assert set(differences(texts[0], ast.unparse(tree))) - LISTED[name]


def test_every_file_has_its_twin():
    ours, theirs = ({path.name for path in (ROOT / folder).glob("*.py")}
                    for folder in ("reference", "torch_impl"))  # fmt: skip
    assert ours == {"__init__.py", *(f"{name}.py" for name in LISTED), *SHARED}
    assert theirs == ours - SHARED | {"compiled.py", "device.py"}  # NumPy has neither
