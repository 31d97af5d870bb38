# `make demo`: the main job on the embedded texts, by what fires and by what matters, with ablations and a report.
# `make test`: the tests. Each sets up .venv first, with what it needs and no more.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: demo test lint bench clean

demo: .venv/demo-ready
	$(BIN)/neurosieve find beside=attribution beside.documents=40 'follow_up=[show,ablate]'

# All tests, with the types and shapes of every call checked. A file's stay together, so that what they share is made
# once. (`pytest` alone runs the quick ones, without these checks.)
test: .venv/test-ready
	$(BIN)/python -m pytest -m '' --numprocesses=auto --maxprocesses=8 --dist=loadfile --durations=10 \
		--jaxtyping-packages=neurosieve,neurosieve_plugins,beartype.beartype

lint: .venv/lint-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every figure, in docs/benchmarks.md; an hour. `make bench ONLY="reading sweeps"` measures some of them again.
bench: .venv/bench-ready
	$(BIN)/python benchmarks $(ONLY)

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

# The extra of pyproject.toml that has the command's name.
.venv/%-ready: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	$(INSTALL) '.[$*]'
	touch $@

clean:
	rm -rf .venv runs multirun
