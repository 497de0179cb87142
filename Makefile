# `make` lists the targets. All use the virtual environment in .venv, which `make setup` makes.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python

.PHONY: help setup demo train-demo test floor slow campaigns check docs wheel bench notebook clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready  ## make the virtual environment for tests and checks

$(VENV)/.ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -r requirements.txt -e '.[dev]'
	@touch $@

demo: setup  ## caption the photos in examples/ with the bundled model (runs/examples)
	$(RUN) -m captioner demo

train-demo: setup  ## draw pictures, train, score, and show captions with their maps (runs/demo)
	$(RUN) -m captioner demo --train

test: setup  ## the default test suite, on all cores
	$(RUN) -m pytest -q -n auto --maxprocesses 8 --dist worksteal

floor:  ## the default tests with the oldest versions that requirements.txt allows, in .venv-floor
	$(PYTHON) -m venv .venv-floor
	.venv-floor/bin/python -m pip install --quiet -c constraints/oldest.txt -r requirements.txt -e '.[dev]'
	.venv-floor/bin/python -m pytest -q -n auto --maxprocesses 8 --dist worksteal

slow: setup  ## the tests that take minutes
	$(RUN) -m pytest -q -m slow

campaigns: setup  ## kills, full disks and damaged files, about an hour; CAPTIONER_KILLS and CAPTIONER_MUTATIONS make it smaller
	$(RUN) -m pytest -q -m campaign -n auto --maxprocesses 8 tests/campaigns

check: setup  ## lint and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pyright

docs: $(VENV)/.docs  ## the documentation as a site: build/docs/index.html
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet

$(VENV)/.docs: $(VENV)/.ready
	$(RUN) -m pip install --quiet -e '.[docs]'
	@touch $@

wheel: setup  ## a wheel and a source distribution in dist/, checked
	$(RUN) -m pip install --quiet twine
	rm -rf build/lib build/bdist.* dist
	$(RUN) -m build --no-isolation --outdir dist
	$(RUN) -m twine check --strict dist/*

BENCHMARKS = train_step products attention beam encoder store captioners pictures time_to_score growth coco_dry_run

bench: setup  ## the benchmarks that need no data, one after another
	for name in $(BENCHMARKS); do $(RUN) benchmarks/$$name.py || exit 1; done

notebook: setup  ## execute the notebook of the three steps and keep its outputs
	$(RUN) notebooks/execute.py notebooks/attention_from_its_three_steps.ipynb

clean:  ## remove the virtual environment and caches, never data or runs
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
