# make demo   train on Krazy World, test on worlds never met, show what was learned
# make test   run the whole test suite
# Both set up .venv first, where it is not there already.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
DEMO := runs/demo

.PHONY: demo test lint types docs clean

demo: $(VENV)/agents
	rm -rf $(DEMO)
	$(BIN)/metaenvs train e-rl2 metaenvs/KrazyWorldEasy-v0 --out $(DEMO) \
	  --env-arguments '{"dynamics": "simple", "energy_start": 10}' \
	  --num-envs 256 --learning-rate 3e-3 --total-env-steps 10000000 --threads 2
	$(BIN)/metaenvs evaluate $(DEMO)

test: $(VENV)/dev
	$(BIN)/python -m pytest --numprocesses auto

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy

docs: $(VENV)/docs
	$(BIN)/sphinx-build -W -b html docs docs/_build

clean:
	rm -rf $(VENV) runs docs/_build

# torch comes first and under a constraint: other packages would pull in its newest build.
$(VENV)/agents: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable '.[agents]'
	touch $@

$(VENV)/dev: $(VENV)/agents
	$(PIP) --editable '.[dev]'
	touch $@

$(VENV)/docs: $(VENV)/agents
	$(PIP) --editable '.[docs]'
	touch $@
