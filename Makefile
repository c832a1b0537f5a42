# `make` runs the main job and `make test` the tests, each in a virtual environment that it creates.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: reproduce test lint docs clean

reproduce: $(INSTALLED)
	$(BIN)/python -m scripts.reproduce

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/python -m sphinx -W docs docs/_build

clean:
	rm -rf $(VENV) docs/_build

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing numpy, torch, torchvision and matplotlib: a few minutes, several GB"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	touch $(INSTALLED)
