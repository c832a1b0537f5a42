"""The twins mirror each other: `reference.X` and `torch_impl.X` are the same thing twice.

Same files; in them the same classes, methods and functions in the same order; the same parameters
with the same defaults; the same first sentence of every docstring, in which the one may say array
or NumPy where the other says tensor or PyTorch; constants of the same name have the same value.
What differs on purpose is listed below with its reason, `-` in reference and `+` in the other; a
listed difference that is none any more fails as well.
"""

import difflib
import importlib
import inspect
import re
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LISTED = {
    "arithmetic": {  # gradients come from autograd, which has to be told about rounding
        "+ class RoundedSigmoid: The fixed-point sigmoid, and the rounded delta on the way back.",
        "+ RoundedSigmoid.forward: Return the rounded activation.",
        "+ RoundedSigmoid.forward: staticmethod",
        "+ RoundedSigmoid.forward(ctx)",
        "+ RoundedSigmoid.forward(z)",
        "+ RoundedSigmoid.forward(arithmetic)",
        "+ RoundedSigmoid.backward: Return the rounded delta, given the derivative of the cost by "
        "the activation.",
        "+ RoundedSigmoid.backward: staticmethod",
        "+ RoundedSigmoid.backward(ctx)",
        "+ RoundedSigmoid.backward(gradient)",
    },
    "exact_sigmoid": set(),
    "examples": {
        "+ tensor: Return v as a _ that shares no memory with a _ _.",  # the border to NumPy
        "+ tensor(v)",
        "- ones: Return an _ (m, 1) that is 1 everywhere: the input that a bias is the weight of.",
        "- ones(m)",  # autograd sums over the mini-batch by itself
        "- ones(dtype)",
        "+ border(grad = False)",  # autograd records the way forward only where it is to
        "+ inside(grad = None)",
        "- inputs_and_desired(*others)",  # what trace returned can be handed to deltas
    },
    "mnist_loader": {  # torchvision can download, NumPy cannot
        "+ download: Fetches MNIST from torchvision's servers to where torchvision keeps it: "
        "MNIST/raw/.",
        "+ download(folder)",
    },
    "network": {
        "+ Network.__init__(device = 'cpu')",
        "+ Network.__init__(compile = False)",  # NumPy is compiled already
        "+ Network.from_parameters(device = 'cpu')",
        "+ Network.from_parameters(compile = False)",
        "+ Network.forward: Return the output activations for the input a, as a module that "
        "autograd can follow.",  # the verb that nn.Module calls
        "+ Network.forward(self)",
        "+ Network.forward(a)",
        "- Network.deltas(activations = None)",  # autograd needs a trace of its own
        "- sigmoid_prime: Return the derivative of the sigmoid, given the activation a = "
        "sigmoid(z).",  # autograd knows it
        "- sigmoid_prime(a)",
    },
    "saving": {"+ Saved.load(device = 'cpu')"},
}
SHARED = {"checks.py", "nielsen_pickle.py"}  # they compute nothing: both twins have them


def written(thing):
    """The function in a class method, static method, property or wrapper."""
    return inspect.unwrap(getattr(thing, "fget", None) or getattr(thing, "__func__", thing))


def definitions(module):
    """The public classes, functions and methods that are written in a module, in their order."""
    for name, thing in vars(module).items():
        members = vars(thing).items() if isinstance(thing, type) else ()
        for path, member in [
            (name, thing),
            *((f"{name}.{key}", member) for key, member in members),
        ]:
            code = getattr(written(member), "__code__", None)
            here = (
                code.co_filename == module.__file__
                if code
                else member is thing and isinstance(thing, type)
            )
            public = not re.search(r"(^|\.)_(?!_)", path) and not name.startswith("_")
            if public and here and getattr(thing, "__module__", None) == module.__name__:
                yield path, member


def first_sentence(thing):
    """The first sentence of a docstring, with a blank for the framework's own words."""
    text = " ".join((written(thing).__doc__ or "").split("\n\n")[0].split())
    match = re.match(r".*?[.!?](?=\s|$)", text)
    return re.sub(r"\b(NumPy|PyTorch|array|tensor)(?=s?\b)", "_", match[0] if match else text)


def parameters(thing):
    for p in inspect.signature(written(thing)).parameters.values():
        plain = p.default is None or isinstance(p.default, bool | int | float | str | tuple)
        default = repr(p.default) if plain else f"{type(p.default).__name__}()"  # of either twin
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**", p.KEYWORD_ONLY: "*, "}.get(p.kind, "")
        yield star + p.name + (f" = {default}" if p.default is not p.empty else "")


def described(module):
    """A line for everything in which a twin has to mirror the other."""
    for path, thing in definitions(module):
        sentence = first_sentence(thing)
        if not sentence and not path.endswith("__"):
            raise ValueError(f"{path}: no docstring")
        yield f"class {path}: {sentence}" if isinstance(thing, type) else f"{path}: {sentence}"
        if isinstance(thing, classmethod | staticmethod | property):
            yield f"{path}: {type(thing).__name__}"
        if not isinstance(thing, type):
            yield from (f"{path}({parameter})" for parameter in parameters(thing))


def constants(module):
    plain = (bool, int, float, str, bytes, tuple, frozenset, dict)
    own = vars(module).items()
    return {
        k: repr(v) for k, v in own if re.fullmatch("[A-Z][A-Z0-9_]*", k) and isinstance(v, plain)
    }


def apart(one, other):
    """The lines of one and of other that are not those of both, `-` and `+`; none is an error."""
    if not one:
        raise ValueError("nothing was compared")
    return [line for line in difflib.ndiff(one, other) if line[0] in "-+"]


def differences(reference, torch_impl):
    ours, theirs = constants(reference), constants(torch_impl)
    values = [f"{name} is {ours[name]}, not {theirs[name]}" for name in ours
              if ours[name] != theirs.get(name, ours[name])]  # fmt: skip
    return apart(*(list(described(module)) for module in (reference, torch_impl))) + values


@pytest.mark.parametrize("name", LISTED)
def test_twins_differ_in_what_is_listed_and_in_nothing_else(name):
    twins = [importlib.import_module(f"{folder}.{name}") for folder in ("reference", "torch_impl")]
    assert sorted(differences(*twins)) == sorted(LISTED[name])


def test_every_file_has_its_twin():
    ours, theirs = ({path.name for path in (ROOT / folder).glob("*.py")}
                    for folder in ("reference", "torch_impl"))  # fmt: skip
    assert ours == {"__init__.py", *(f"{name}.py" for name in LISTED), *SHARED}
    assert theirs == ours - SHARED | {"compiled.py", "device.py"}  # NumPy has neither


# --- The third twin, in JavaScript ---------------------------------------------------------------

JAVASCRIPT = (ROOT / "scripts" / "explorer" / "network.js").read_text()
IN_JAVASCRIPT = {
    "- Float64.check_inputs(x)", "- FixedPoint.check_inputs(x)",  # a page is handed pixels
    "- Float64.steps(nablas, rate)", "- Float64.watch(parameters)",
    "- FixedPoint.steps(nablas, rate)", "- FixedPoint.watch(parameters)",
    "+ Float64.descend(parameters, nablas, rate)",  # does both, and subtracts, in one loop
    "+ FixedPoint.descend(parameters, nablas, rate)",
    "- Float64.round_delta(delta)", "+ Float64.round_delta(delta, m)",  # an array of rows does
    "- FixedPoint.round_delta(delta)", "+ FixedPoint.round_delta(delta, m)",  # not say how many
    "- on_grid(v, scale, factor)", "+ on_grid(v, scale)",
    "- class Float32",  # for proofs and speed, which are asked of the other two
    "- rounded_sigmoid(z, scale)",  # the exact one alone: no engine's Math.exp is trusted
    "- enough_bits(bits, quantity, sizes)",  # Python has refused such a network
    "+ Network.read(x)",  # the page shows what is read
    "+ mini_batches(data, order, mini_batch_size)",  # the rest is from other files, or Python's
    "+ class Examples", "+ Examples.__init__(bytes, digits, outputs)", "+ Examples.take(indices)",
    "+ class OverflowError", "+ argmax(v)", "+ default_rng(seed)", "+ sha256(message)",
    "+ fingerprint(net)",
}  # fmt: skip


def javascript(source):
    """A line for everything that a file of JavaScript exports, in its order."""
    line = re.compile(
        r"^export (?:class (?P<cls>\w+)|function\*? (?P<function>\w+)\((?P<args>.*)\) {$)"
        r"|^  (?:static )?(?P<method>[A-Za-z]\w*)\((?P<more>.*)\) {}?$|^}|^class \w+"
    )
    within = ""
    for match in filter(None, map(line.match, source.splitlines())):
        if not match["method"]:
            within = match["cls"] or ""
        if match["cls"]:
            yield f"class {within}"
        elif match["function"] or (match["method"] and within):
            name = match["function"] or f"{within}.{match['method']}"
            names = re.findall(r"(\w+)(?: = [^,]*)?(?:, |$)", match["args"] or match["more"] or "")
            yield f"{name.replace('constructor', '__init__')}({', '.join(names)})"


def as_javascript():
    """The same lines of the reference."""
    for name in ("arithmetic", "exact_sigmoid", "network"):
        for path, thing in definitions(importlib.import_module(f"reference.{name}")):
            if isinstance(thing, type):
                yield f"class {path}"
            else:
                names = [p.split(" =")[0] for p in parameters(thing)]
                yield f"{path}({', '.join(n for n in names if n not in ('self', 'cls'))})"


def test_the_javascript_differs_in_what_is_listed_and_in_nothing_else():
    assert sorted(apart(list(as_javascript()), list(javascript(JAVASCRIPT)))) == sorted(
        IN_JAVASCRIPT
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  backprop(x, y) {", "  back(x, y) {", "+ Network.back(x, y)"),
        ("  backprop(x, y) {", "  back(x, y) {", "- Network.backprop(x, y)"),
        ("  cost(x, y) {", "  cost(y, x) {", "+ Network.cost(y, x)"),
        ("export function exp(t)", "function exp(t)", "- exp(t)"),
    ],
)
def test_a_difference_of_the_javascript_is_found(old, new, expected):
    assert JAVASCRIPT.count(old) == 1
    changed = javascript(JAVASCRIPT.replace(old, new))
    assert expected in apart(list(as_javascript()), list(changed))


# --- The checks can fail ------------------------------------------------------------------------

ONE = '''
"""A thing in NumPy."""
import contextlib, dataclasses, functools
from textwrap import dedent
BITS = 53
class Base:
    """A NumPy array and its arrays."""
    def inherited(self):
        """Be inherited."""
@dataclasses.dataclass
class Network(Base):
    """A network of sizes 2.5 and more. It learns."""
    size: int = 0
    def __init__(self, sizes, rng=None):
        pass
    @classmethod
    def load(cls, path):
        """Load it."""
    @property
    def weights(self):
        """The weights."""
    @contextlib.contextmanager
    def SGD(self, data, eta, *, epochs=30):
        """Train it.

        At length.
        """
    def _private(self):
        pass
def sigmoid(z):
    """Return the activation."""
@functools.cache
def _helper():
    """Help."""
'''
TWO = ONE.replace("NumPy array and its arrays", "PyTorch tensor and its tensors")


def compared(tmp_path, one, two):
    """The differences of two sources, as if they were reference.X and torch_impl.X."""
    made = []
    for name, source in (("one", one), ("two", two)):
        module = types.ModuleType(name)
        module.__file__ = str(tmp_path / f"{name}.py")
        exec(compile(source, module.__file__, "exec"), vars(module))
        made.append(module)
    return differences(*made)


# fmt: off
FOUND = [  # what stands in one of them; what in the other; what is told
    ("", "", []),
    ("BITS = 53", "BITS = 52", ["BITS is 53, not 52"]),
    ("BITS = 53", "BITS = 53.0", ["BITS is 53, not 53.0"]),
    ("BITS = 53", "OTHER = 52", []),
    ("def sigmoid", "def logistic", [
        "- sigmoid: Return the activation.", "- sigmoid(z)",
        "+ logistic: Return the activation.", "+ logistic(z)"]),
    ("def _private(self):\n        pass", 'def public():\n        """Be."""',
     ["+ Network.public: Be."]),
    ("def _private(self)", "def __len__()", ["+ Network.__len__: "]),
    ("sizes 2.5 and", "sizes 2.6 and", [
        "- class Network: A network of sizes 2.5 and more.",
        "+ class Network: A network of sizes 2.6 and more."]),
    ("PyTorch tensor", "JAX tensor", [
        "- class Base: A _ _ and its _s.", "+ class Base: A JAX _ and its _s."]),
    ("It learns.", "It learns otherwise.", []),
    ("At length.", "In short.", []),
    ('"""Train it.\n', '"""Train.\n', ["- Network.SGD: Train it.", "+ Network.SGD: Train."]),
    ("@classmethod", "@staticmethod", [
        "- Network.load: classmethod", "+ Network.load: staticmethod"]),
    ("    @property\n", "", ["- Network.weights: property"]),
    ("rng=None", "rng=0", [
        "- Network.__init__(rng = None)", "+ Network.__init__(rng = 0)"]),
    ("rng=None", "rng=Base()", [
        "- Network.__init__(rng = None)", "+ Network.__init__(rng = Base())"]),
    ("rng=None", "rng", ["- Network.__init__(rng = None)", "+ Network.__init__(rng)"]),
    ("path):", "path, device='cpu'):", ["+ Network.load(device = 'cpu')"]),
    ("*, epochs=30", "epochs=30", [
        "- Network.SGD(*, epochs = 30)", "+ Network.SGD(epochs = 30)"]),
    ("data, eta", "eta, data", ["+ Network.SGD(eta)", "- Network.SGD(eta)"]),
    ("_helper", "helper", ["+ helper: Help."]),
]
# fmt: on


@pytest.mark.parametrize(("old", "new", "expected"), FOUND)
def test_a_difference_between_the_twins_is_found(tmp_path, old, new, expected):
    assert TWO.count(old) == 1 or not old
    assert sorted(compared(tmp_path, ONE, TWO.replace(old, new, 1))) == sorted(expected)


@pytest.mark.parametrize(
    ("begin", "end", "before"),
    [
        ("    @property", "    @contextlib", "    def _private"),
        ("def sigmoid", "@func", "class Base"),
    ],
)
def test_another_order_is_found(tmp_path, begin, end, before):
    part = TWO[TWO.index(begin) : TWO.index(end)]
    lines = compared(tmp_path, ONE, TWO.replace(part, "").replace(before, part + before))
    gone, come = ({line[2:] for line in lines if line[0] == sign} for sign in "-+")
    assert gone == come != set()


def test_what_would_compare_nothing_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="nothing was compared"):
        compared(tmp_path, '"""Empty."""', TWO)
    without = [text.replace('"""Load it."""', "pass") for text in (ONE, TWO)]
    with pytest.raises(ValueError, match=r"Network\.load: no docstring"):
        compared(tmp_path, *without)
