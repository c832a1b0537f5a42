"""The project as a stranger gets it: what is installed, what the README says and its commands."""

import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
README = (CHECKOUT / "README.md").read_text()
FOLDERS = {"reference", "torch_impl", "compare", "model", "scripts"}


def test_installed_copy_offers_the_packages_and_never_the_tests():
    packages = {
        path.parent.relative_to(CHECKOUT).as_posix().replace("/", ".")
        for folder in FOLDERS
        for path in (CHECKOUT / folder).rglob("*.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages
    assert PROJECT["project"]["name"] == "jalebi"


def test_shipped_parameters_and_the_page_travel_with_an_installed_copy():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["model"]
    found = {path.name for pattern in patterns for path in (CHECKOUT / "model").glob(pattern)}
    assert found == {"train.json", "initial.json", "seeds.json", "page.html"}


def test_readme_is_at_most_200_lines():
    assert len(README.splitlines()) <= 200


def test_readme_gives_the_two_commands_first():
    first = README.index("```")
    assert re.match(r"```\w*\nmake\b.*\nmake test\b", README[first:])


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"python -m (scripts\.\w+|compare)", README)))
)
def test_every_program_that_the_readme_names_is_there(name):
    path = CHECKOUT / name.replace(".", "/")
    assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_readme_tree_names_every_file_that_there_is():
    tree = README[README.index("## The house") :]
    for folder in sorted(FOLDERS):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            if path.name != "__init__.py":
                assert path.name in tree, f"{folder}/{path.name} is not in the README's tree"


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(target):
    assert (CHECKOUT / target).exists()
