"""The twins mirror each other: `reference.X` and `torch_impl.X` are the same thing twice.

Same files; in them the same classes, methods and functions in the same order, with the same
parameters and defaults and the same first sentence of the docstring, in which the one may say array
or NumPy where the other says tensor or PyTorch; constants of one name have one value. What differs
on purpose is listed with its reason, `-` in reference and `+` in the other; a listed difference
that is none any more fails as well. The twin in JavaScript has the same verbs and arguments.
"""

import ast
import difflib
import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# They compute nothing: both have them.
SHARED = {"border.py", "checks.py", "mnist_files.py", "nielsen_pickle.py"}
LISTED = {
    # Gradients come from autograd, which has to be told about rounding.
    "arithmetic": ["+ RoundedSigmoid", "+ RoundedSigmoid.forward", "+ RoundedSigmoid.backward"],
    "exact_sigmoid": [],
    # The border to NumPy; another layout; autograd sums over the mini-batch by itself.
    "examples": ["+ tensor", "- ROWS = False", "+ ROWS = True", "- ones"],
    "mnist_loader": ["+ download"],  # NumPy's can wait until it is there
    # Where it computes, and how steps are taken at once: NumPy needs none of it.
    "network": [
        *(f"+ Network.{made}({name})" for made in ("__init__", "from_parameters")
          for name in ("device='cpu'", "compile=None")),
        "+ Network.forward",  # the verb that nn.Module calls
        "- Network.deltas(activations=None)", "- sigmoid_prime",  # autograd knows the derivative
    ],
}  # fmt: skip


def outline(nodes, within=""):
    """Name to lines of everything public that is defined, in its order."""
    found = {}
    for node in nodes:
        name = f"{within}{getattr(node, 'name', '')}"
        if isinstance(node, ast.Assign) and re.fullmatch(
            "[A-Z][A-Z0-9_]*", target := ast.unparse(node.targets[0])
        ):
            found[target] = [f"{target} = {ast.unparse(node.value)}"]
        elif isinstance(node, ast.ClassDef):
            found[name] = [f"{name}: {first_sentence(node)}"]
            found |= outline(node.body, f"{name}.")
        elif isinstance(node, ast.FunctionDef) and not re.search(r"\b_(?!_)", name):
            for each in ast.walk(node.args):
                each.annotation = None
            kinds = [d.id for d in node.decorator_list if isinstance(d, ast.Name)]
            found[name] = [" ".join([*kinds, name]), f"{name}: {first_sentence(node)}"]
            found[name] += [f"{name}({v})" for v in ast.unparse(node.args).split(", ")]
    return found


def first_sentence(node):
    """The first sentence of a docstring, with a blank for the framework's own words."""
    text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    match = re.match(r".*?[.!?](?=\s|$)", text)
    return re.sub(r"\b(NumPy|PyTorch|array|tensor)(?=s?\b)", "_", match[0] if match else text)


def differences(reference, torch_impl):
    """What only one of the two sources says: a name, or of a name that both have a line."""
    ours, theirs = (outline(ast.parse(source).body) for source in (reference, torch_impl))
    assert ours, "nothing was compared"
    common = ours.keys() & theirs.keys()
    lines = [
        [line for name in names if not name.isupper() or name in common
         for line in (names[name] if name in common else [name])]
        for names in (ours, theirs)
    ]  # fmt: skip
    return sorted(line for line in difflib.ndiff(*lines) if line[0] in "-+")


def source(folder, name):
    return (ROOT / folder / f"{name}.py").read_text()


@pytest.mark.parametrize("name", LISTED)
def test_twins_differ_in_what_is_listed_and_in_nothing_else(name):
    texts = [source(folder, name) for folder in ("reference", "torch_impl")]
    assert differences(*texts) == sorted(LISTED[name])
    for text in texts:  # what overrides a verb of Float64, and Python's own, says nothing again
        lines = itertools.chain(*outline(ast.parse(text).body).values())
        silent = [line for line in lines if line.endswith(": ")]
        assert [n for n in silent if not re.match(r"FixedPoint\.|\w+\.__\w+__: ", n)] == []
    for node in ast.walk(tree := ast.parse(texts[1])):
        if isinstance(node, ast.Module | ast.ClassDef):
            node.body[1:] = node.body[:0:-1]  # but for the docstring: another order is found
    assert set(differences(texts[0], ast.unparse(tree))) - {*LISTED[name]}


def test_every_file_has_its_twin():
    ours, theirs = ({path.name for path in (ROOT / folder).glob("*.py")}
                    for folder in ("reference", "torch_impl"))  # fmt: skip
    assert ours == {"__init__.py", *(f"{name}.py" for name in LISTED), *SHARED}
    assert theirs == ours - SHARED | {"compiled.py", "device.py"}  # NumPy has neither


def test_the_twin_in_javascript_has_the_same_verbs_of_the_same_arguments():
    [network] = (node for node in ast.parse(source("reference", "network")).body
                 if isinstance(node, ast.ClassDef))  # fmt: skip
    verbs = [node for node in network.body if isinstance(node, ast.FunctionDef)]
    ours = [(verb.name, [each.arg for each in verb.args.args[1:]]) for verb in verbs]
    text = (ROOT / "scripts/explorer/network.js").read_text().replace("constructor", "__init__")
    text = text[text.index("class Network {") : text.index("function sigmoid_prime(")]
    found = re.findall(r"^  (?:static )?(\w+)\((.*)\) \{$", text, re.MULTILINE)
    theirs = [(verb, re.findall(r"(\w+)(?: = [^,]+)?(?:, |$)", given)) for verb, given in found]
    assert [verb for verb in theirs if verb[0] != "read"] == ours  # its own
