# Two commands: `make demo` shows the pipeline at work, `make test` checks it.
# Both share one virtual environment in .venv, made on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test docs faults lint install bench benchmarks clean help

help:
	@echo "make demo        run the whole pipeline on real and simulated pixels (1 to 4 minutes)"
	@echo "make test        check style and run all tests (6 to 20 minutes)"
	@echo "make docs        make the pages in build/docs, notebooks executed (2 minutes)"
	@echo "make faults      the fault tests at full size (an hour); JSON in benchmark-output/"
	@echo "make bench       measure throughput beside its floors (under 10 minutes); JSON in benchmark-output/"
	@echo "make benchmarks  measure precision and speed (long); JSON in benchmark-output/"
	@echo "make lint        check style only"
	@echo "make clean       remove what the other commands made"

demo: $(VENV)/.installed
	$(BIN)/python run_demo.py

test: $(VENV)/.installed lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

docs: $(VENV)/.installed
	$(BIN)/python -m sphinx -W --keep-going -j auto -c docs . build/docs

faults: $(VENV)/.installed
	TESSPHOT_FAULTS=full TESSPHOT_FAULTS_TABLE=benchmark-output/faults.json $(BIN)/python -m pytest tests/faults

lint: $(VENV)/.installed
	$(BIN)/ruff check .

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/throughput.py

benchmarks: $(VENV)/.installed
	$(BIN)/python benchmarks/all.py

install: $(VENV)/.installed

$(VENV)/.installed: requirements.txt setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tessphot needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	rm -rf *.egg-info  # an old one would hide new entry points from programs started here
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) demo-output benchmark-output *.egg-info build docs/api .pytest_cache .ruff_cache .hypothesis
