"""The twins mirror each other: `reference.X` and `torch_impl.X` are the same thing twice.

Same files; in them the same classes, methods and functions in the same order; the same parameters
with the same defaults; the same first sentence of every docstring, in which the one may say array
or NumPy where the other says tensor or PyTorch; constants of the same name have the same value.
What differs on purpose is listed below with its reason, and a listed difference that is none
any more fails as well.
"""

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

CPU = "absent in reference, positional or keyword = 'cpu' in torch_impl"
COMPILE = "absent in reference, positional or keyword = False in torch_impl"
AUTOGRAD = "gradients come from autograd, which has to be told about rounding"
RECORDED = "autograd records the way forward only where it is to"
LISTED: dict[str, dict[str, str]] = {
    "arithmetic": {
        "only torch_impl has RoundedSigmoid": AUTOGRAD,
        "only torch_impl has RoundedSigmoid.forward": AUTOGRAD,
        "only torch_impl has RoundedSigmoid.backward": AUTOGRAD,
    },
    "exact_sigmoid": {},
    "examples": {
        "only reference has ones": "autograd sums over the mini-batch by itself",
        "only torch_impl has tensor": "the border between NumPy and PyTorch",
        "border(grad): absent in reference, positional or keyword = False in torch_impl": RECORDED,
        "inside(grad): absent in reference, positional or keyword = None in torch_impl": RECORDED,
        "inputs_and_desired(others): variadic positional in reference, absent in torch_impl": (
            "what trace returned can be handed to deltas, where autograd needs a trace of its own"
        ),
    },
    "mnist_loader": {
        "only torch_impl has download": "torchvision can download, NumPy cannot",
    },
    "network": {
        "only reference has sigmoid_prime": "autograd knows the derivative of the sigmoid",
        "only torch_impl has Network.forward": "the verb that nn.Module calls",
        "Network.deltas(activations): positional or keyword = None in reference, "
        "absent in torch_impl": "autograd needs a trace of its own",
        f"Network.__init__(device): {CPU}": "NumPy has one device",
        f"Network.from_parameters(device): {CPU}": "NumPy has one device",
        f"Network.__init__(compile): {COMPILE}": "NumPy is compiled already",
        f"Network.from_parameters(compile): {COMPILE}": "NumPy is compiled already",
    },
    "saving": {f"Saved.load(device): {CPU}": "NumPy has one device"},
}
SHARED = {"checks.py", "nielsen_pickle.py"}  # lie in model/ too, from where torch_impl takes them


def is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def unwrapped(member: Any) -> Any:
    """The function in a class method, static method or property; anything else as it is."""
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member)


def definitions(module: ModuleType) -> dict[str, Any]:
    """The public classes and functions written in a module, and the methods, in their order."""
    found = {}
    for name, thing in vars(module).items():
        own = getattr(thing, "__module__", None) == module.__name__
        written = inspect.unwrap(thing) if callable(thing) else thing  # a cached function too
        if is_public(name) and own and isinstance(written, type | FunctionType):
            found[name] = thing
            if isinstance(thing, type):
                members = methods(thing, module.__file__)
                found |= {f"{name}.{key}": member for key, member in members}
    return found


def methods(cls: type, file: str | None) -> Iterator[tuple[str, Any]]:
    """What is written in the body of a class; what it inherits or dataclass adds is not."""
    for name, member in vars(cls).items():
        function = inspect.unwrap(unwrapped(member))
        code = getattr(function, "__code__", None)
        if is_public(name) and code is not None and code.co_filename == file:
            yield name, member


def constants(module: ModuleType) -> dict[str, Any]:
    plain = (bool, int, float, str, bytes, tuple, frozenset, dict)
    names = [name for name in vars(module) if re.fullmatch(r"[A-Z][A-Z0-9_]*", name)]
    return {name: vars(module)[name] for name in names if isinstance(vars(module)[name], plain)}


def first_sentence(thing: Any) -> str:
    """The first sentence of a docstring, with a blank for the framework's own words."""
    text = " ".join(inspect.cleandoc(unwrapped(thing).__doc__ or "").split("\n\n")[0].split())
    match = re.match(r".*?[.!?](?=\s|$)", text)
    return re.sub(r"\b(NumPy|PyTorch|array|tensor)(?=s?\b)", "_", match.group() if match else text)


def parameters(thing: Any) -> dict[str, str]:
    """The parameters of a function: name to kind and default, annotations left out."""
    return {
        p.name: f"{p.kind.description}{default(p.default)}"
        for p in inspect.signature(unwrapped(thing)).parameters.values()
    }


def default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    plain = value is None or isinstance(value, bool | int | float | str | tuple)
    # The arithmetics are classes of either twin: Float64() of the one is Float64() of the other.
    return f" = {value!r}" if plain else f" = {type(value).__name__}()"


def kind(thing: Any) -> str:
    return "function" if isinstance(thing, FunctionType) else type(thing).__name__


def differences(reference: ModuleType, torch_impl: ModuleType) -> list[str]:
    """Every way in which two modules are no mirror of each other, one line for each."""
    ours, theirs = definitions(reference), definitions(torch_impl)
    if not ours:
        raise ValueError(f"{reference.__name__} defines nothing: nothing was compared")
    found = names_apart(list(ours), list(theirs))
    for name in ours:
        if name in theirs:
            found += first_sentences(name, ours[name], theirs[name])
            found += kinds_apart(name, ours[name], theirs[name])
    return found + constants_apart(constants(reference), constants(torch_impl))


def names_apart(ours: list[str], theirs: list[str]) -> list[str]:
    found = [f"only reference has {name}" for name in ours if name not in theirs]
    found += [f"only torch_impl has {name}" for name in theirs if name not in ours]
    shared, other_order = ([n for n in a if n in b] for a, b in ((ours, theirs), (theirs, ours)))
    for one, other in zip(shared, other_order, strict=True):
        if one != other:
            return [*found, f"order: reference has {one} where torch_impl has {other}"]
    return found


def first_sentences(name: str, one: Any, other: Any) -> list[str]:
    one, other = first_sentence(one), first_sentence(other)
    if (not one or not other) and (one != other or not name.endswith("__")):
        return [f"{name}: no docstring in {'torch_impl' if one else 'reference'}"]
    return [] if one == other else [f"{name}: docstrings begin {one!r} and {other!r}"]


def kinds_apart(name: str, one: Any, other: Any) -> list[str]:
    if kind(one) != kind(other):
        return [f"{name} is a {kind(one)} in reference, a {kind(other)} in torch_impl"]
    if isinstance(one, type | property):
        return []
    ours, theirs = parameters(one), parameters(other)
    found = [
        f"{name}({key}): {ours.get(key, 'absent')} in reference, "
        f"{theirs.get(key, 'absent')} in torch_impl"
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]
    shared = [key for key in ours if key in theirs]
    if shared != [key for key in theirs if key in ours]:
        found.append(f"{name}: parameters in another order")
    return found


def constants_apart(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Constants are written twice, often under other names; one name must not mean two values."""
    return [
        f"{name} is {ours[name]!r} in reference, {theirs[name]!r} in torch_impl"
        for name in ours
        if name in theirs and repr(ours[name]) != repr(theirs[name])
    ]


@pytest.mark.parametrize("name", sorted(LISTED))
def test_twins_differ_in_what_is_listed_and_in_nothing_else(name):
    twins = [importlib.import_module(f"{folder}.{name}") for folder in ("reference", "torch_impl")]
    found = differences(*twins)
    assert [line for line in found if line not in LISTED[name]] == [], "not listed"
    assert [line for line in LISTED[name] if line not in found] == [], "listed, but no difference"


def test_every_file_has_its_twin():
    ours, theirs = (
        {path.name for path in (ROOT / folder).glob("*.py")}
        for folder in ("reference", "torch_impl")
    )
    assert ours == {"__init__.py", *(f"{name}.py" for name in LISTED), *SHARED}
    assert theirs == ours - SHARED | {"compiled.py", "device.py"}  # NumPy needs neither
    for name in SHARED:
        assert (ROOT / "reference" / name).read_bytes() == (ROOT / "model" / name).read_bytes()


# --- The third twin, in JavaScript ---------------------------------------------------------------

JAVASCRIPT = ROOT / "scripts" / "explorer" / "network.js"
NOT_THERE = {  # in JavaScript
    "Float64.check_inputs": "a page and a candidate are handed pixels",
    "FixedPoint.check_inputs": "the same",
    "Float32": "for proofs and speed, which are asked of the other two",
    "rounded_sigmoid": "the exact sigmoid alone: no engine's Math.exp is trusted",
    **dict.fromkeys(
        [f"{kind}.{verb}" for kind in ("Float64", "FixedPoint") for verb in ("steps", "watch")],
        "descend does both, and subtracts, in one loop over the weights",
    ),
    "enough_bits": "Python has refused such a network",
}
NOT_HERE = {  # in reference
    "Float64.descend": "see steps",
    "FixedPoint.descend": "see steps",
    "mini_batches": "from examples",
    "OverflowError": "Python has it",
    "Network.read": "the page shows what is read",
    "argmax": "NumPy has it",
    "Examples": "from mnist_loader, as bytes",
    "default_rng": "NumPy has it",
    "fingerprint": "from model.parameters",
    "sha256": "Python has it",
}


def javascript(source: str) -> dict[str, list[str]]:
    """What a file of JavaScript exports, in its order: names to the names of their parameters."""
    found, within = {}, ""
    line = re.compile(
        r"^export (?:class (?P<cls>\w+)|function\*? (?P<function>\w+)\((?P<args>.*)\) {$)"
        r"|^  (?:static )?(?P<method>[A-Za-z]\w*)\((?P<more>.*)\) {}?$|^}|^class \w+"
    )
    for match in filter(None, map(line.match, source.splitlines())):
        name = match["cls"] or match["function"] or match["method"]
        if match["method"] and within:
            name = f"{within}.{name.replace('constructor', '__init__')}"
        elif not match["method"]:
            within = match["cls"] or ""
        if name and (within or match["function"]):
            given = match["args"] or match["more"] or ""
            found[name] = re.findall(r"(\w+)(?: = [^,]*)?(?:, |$)", given)
    return found


def unlike(theirs: dict[str, list[str]]) -> list[str]:
    """Every way in which the JavaScript is no mirror of the reference, one line for each."""
    found, ours = [], {}
    for name in ("exact_sigmoid", "arithmetic", "network"):
        own = definitions(importlib.import_module(f"reference.{name}"))
        shared = [thing for thing in own if thing in theirs]
        order = [thing for thing in theirs if thing in own]
        found += [
            f"order: {one} where network.js has {other}"
            for one, other in zip(shared, order, strict=True)
            if one != other
        ][:1]
        ours |= own
    classes = {thing for thing in ours if thing not in theirs}
    found += [f"only reference has {thing}" for thing in ours
              if thing not in theirs and thing.split(".")[0] not in classes - {thing}]  # fmt: skip
    for thing in theirs:
        if thing not in ours and thing.split(".")[0] in ours | {thing: None}:
            found.append(f"only network.js has {thing}")
        elif thing in ours and not isinstance(ours[thing], type):
            expected = [key for key in parameters(ours[thing]) if key not in ("self", "cls")]
            if theirs[thing] != expected:
                found.append(f"{thing}: ({', '.join(expected)}), not ({', '.join(theirs[thing])})")
    return found


TAKES = [
    "Float64.round_delta: (delta), not (delta, m)",  # an array of rows does not say how many
    "FixedPoint.round_delta: (delta), not (delta, m)",
    "on_grid: (v, scale, factor), not (v, scale)",
]


def test_the_javascript_differs_in_what_is_listed_and_in_nothing_else():
    listed = [f"only reference has {name}" for name in NOT_THERE]
    listed += [f"only network.js has {name}" for name in NOT_HERE]
    assert sorted(unlike(javascript(JAVASCRIPT.read_text()))) == sorted([*listed, *TAKES])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  backprop(x, y) {", "  back(x, y) {", "only network.js has Network.back"),
        ("  backprop(x, y) {", "  back(x, y) {", "only reference has Network.backprop"),
        ("  cost(x, y) {", "  cost(y, x) {", "Network.cost: (x, y), not (y, x)"),
        ("  trace(x) {", "  cost(x) {", "order: Network.deltas where network.js has Network.cost"),
        ("export function exp(t)", "function exp(t)", "only reference has exp"),
    ],
)
def test_a_difference_of_the_javascript_is_found(old, new, expected):
    source = JAVASCRIPT.read_text()
    assert source.count(old) == 1
    assert expected in unlike(javascript(source.replace(old, new)))


# --- The checks can fail ------------------------------------------------------------------------

ONE = '''
"""A thing in NumPy."""
BITS = 53
class Base:
    """A NumPy array and its arrays."""
    def inherited(self):
        """Be inherited."""
class Network(Base):
    """A network of sizes 2.5 and more. It learns."""
    def __init__(self, sizes, rng=None):
        """Make one."""
    @classmethod
    def load(cls, path):
        """Load it."""
    @property
    def weights(self):
        """The weights."""
    def SGD(self, data, eta, *, epochs=30):
        """Train it.

        At length.
        """
    def _private(self):
        pass
def sigmoid(z):
    """Return the activation."""
def _helper():
    pass
'''
TWO = ONE.replace("NumPy array and its arrays", "PyTorch tensor and its tensors")


@pytest.fixture
def compare_sources(tmp_path):
    """A function that compares two sources as if they were reference.X and torch_impl.X."""

    def module(name, source):
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(name, path)
        made = importlib.util.module_from_spec(spec)
        exec(compile(source, path, "exec"), made.__dict__)
        return made

    return lambda one, two: differences(module("one", one), module("two", two))


def test_twins_that_mirror_each_other_have_no_differences(compare_sources):
    assert compare_sources(ONE, TWO) == []


POSITIONAL, KEYWORD = "positional or keyword", "keyword-only"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("BITS = 53", "BITS = 52", ["BITS is 53 in reference, 52 in torch_impl"]),
        ("BITS = 53", "BITS = 53.0", ["BITS is 53 in reference, 53.0 in torch_impl"]),
        ("BITS = 53", "OTHER = 52", []),
        ("def sigmoid", "def logistic", [
            "only reference has sigmoid", "only torch_impl has logistic"
        ]),
        ("    def SGD", "    def sgd", [
            "only reference has Network.SGD", "only torch_impl has Network.sgd"
        ]),
        ("def _private", "def public", ["only torch_impl has Network.public"]),
        ("def _private", "def __len__", ["only torch_impl has Network.__len__"]),
        ("sizes 2.5 and", "sizes 2.6 and", [
            "Network: docstrings begin 'A network of sizes 2.5 and more.' and "
            "'A network of sizes 2.6 and more.'"
        ]),
        ("PyTorch tensor", "JAX tensor", [
            "Base: docstrings begin 'A _ _ and its _s.' and 'A JAX _ and its _s.'"
        ]),
        ('"""Make one."""', "pass", ["Network.__init__: no docstring in torch_impl"]),
        ("It learns.", "It learns otherwise.", []),
        ("At length.", "In short.", []),
        ('"""Train it.\n', '"""Train.\n', [
            "Network.SGD: docstrings begin 'Train it.' and 'Train.'"
        ]),
        ('"""Load it."""', "pass", ["Network.load: no docstring in torch_impl"]),
        ("@classmethod", "@staticmethod", [
            "Network.load is a classmethod in reference, a staticmethod in torch_impl"
        ]),
        ("    @property\n", "", [
            "Network.weights is a property in reference, a function in torch_impl"
        ]),
        ("rng=None", "rng=0", [
            f"Network.__init__(rng): {POSITIONAL} = None in reference, "
            f"{POSITIONAL} = 0 in torch_impl"
        ]),
        ("rng=None", "rng=Base()", [
            f"Network.__init__(rng): {POSITIONAL} = None in reference, "
            f"{POSITIONAL} = Base() in torch_impl"
        ]),
        ("rng=None", "rng", [
            f"Network.__init__(rng): {POSITIONAL} = None in reference, {POSITIONAL} in torch_impl"
        ]),
        ("path):", "path, device='cpu'):", [
            f"Network.load(device): absent in reference, {POSITIONAL} = 'cpu' in torch_impl"
        ]),
        ("*, epochs", "epochs", [
            f"Network.SGD(epochs): {KEYWORD} = 30 in reference, {POSITIONAL} = 30 in torch_impl"
        ]),
        ("data, eta", "eta, data", ["Network.SGD: parameters in another order"]),
        ("def sigmoid(z)", "def sigmoid(x)", [
            f"sigmoid(z): {POSITIONAL} in reference, absent in torch_impl",
            f"sigmoid(x): absent in reference, {POSITIONAL} in torch_impl",
        ]),
        ("_helper", "helper", ["only torch_impl has helper"]),
        ("def _helper", "import functools\n@functools.cache\ndef helper", [
            "only torch_impl has helper"
        ]),
    ],
)  # fmt: skip
def test_a_difference_between_the_twins_is_found(compare_sources, old, new, expected):
    assert TWO.count(old) == 1
    assert compare_sources(ONE, TWO.replace(old, new)) == expected


def test_what_is_imported_or_generated_is_not_compared(compare_sources):
    one = ONE + "import dataclasses\nfrom textwrap import dedent\n@dataclasses.dataclass\n"
    part = 'class Part:\n    """A part."""\n    size: int = 0\n'
    assert compare_sources(one + part, TWO + part) == []


def test_a_public_name_without_docstring_on_either_side_is_found(compare_sources):
    without = [text.replace('"""Load it."""', "pass") for text in (ONE, TWO)]
    assert compare_sources(*without) == ["Network.load: no docstring in reference"]
    without = [text.replace('"""Make one."""', "pass") for text in (ONE, TWO)]
    assert compare_sources(*without) == []


def test_another_order_of_methods_is_found(compare_sources):
    method = TWO[TWO.index("    @property") : TWO.index("    def SGD")]
    moved = TWO.replace(method, "").replace("    def _private", method + "    def _private")
    assert compare_sources(ONE, moved) == [
        "order: reference has Network.weights where torch_impl has Network.SGD"
    ]


def test_another_order_of_functions_is_found(compare_sources):
    function = TWO[TWO.index("def sigmoid") : TWO.index("def _helper")]
    moved = TWO.replace(function, "").replace("class Base", function + "class Base")
    assert compare_sources(ONE, moved) == ["order: reference has Base where torch_impl has sigmoid"]


def test_decorated_methods_are_compared_by_what_is_written(compare_sources):
    decorator = "    @contextlib.contextmanager\n"  # a wrapper that is written elsewhere
    decorated = TWO.replace("    def SGD", decorator + "    def SGD").replace(
        "BITS", "import contextlib\nBITS"
    )
    assert compare_sources(ONE, decorated) == []
    assert compare_sources(ONE, decorated.replace("epochs=30", "epochs=31")) == [
        f"Network.SGD(epochs): {KEYWORD} = 30 in reference, {KEYWORD} = 31 in torch_impl"
    ]


def test_a_comparison_of_nothing_is_an_error(compare_sources):
    with pytest.raises(ValueError, match="one defines nothing: nothing was compared"):
        compare_sources('"""Empty."""', TWO)
