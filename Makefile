# `make demo`: the main job on the embedded texts, with an ablation and a report. `make test`: the tests. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench clean

demo: .venv/ready
	$(BIN)/neurosieve find 'follow_up=[show,ablate]'

# All tests. A file's stay together, so that what they share is made once. (`pytest` alone runs the quick ones.)
test: .venv/ready
	$(BIN)/python -m pytest -m '' --numprocesses=auto --maxprocesses=8 --dist=loadfile

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every figure, in docs/benchmarks.md; an hour. `make bench ONLY="reading sweeps"` measures some of them again.
bench: .venv/ready
	$(BIN)/python benchmarks $(ONLY)

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,dev,sweeps,ray,bench]'
	touch $@

clean:
	rm -rf .venv runs multirun
