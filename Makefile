# Everything starts from a clean checkout: `make demo` and `make test` set up their own environment in .venv.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PHOTOS ?= src/wildvision/samples

# One thread a core is torch's default and starves small machines and containers; override from outside if you wish.
export OMP_NUM_THREADS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo test format docs wheel clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## score the sample photos, or PHOTOS=path to a photo or folder of your own
	@case "$(PHOTOS)" in src/wildvision/samples*) echo "Sample photos (renders made by this project): $(PHOTOS)";; esac
	@$(BIN)/wildvision predict "$(PHOTOS)" || [ $$? -eq 1 ]  # 1: some photos were unreadable, their rows say so

test: $(VENV)/.installed-dev ## lint, types, and tests with coverage of at least 90 %
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --cov --cov-report=term:skip-covered --cov-fail-under=90

format: $(VENV)/.installed-dev ## format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed ## write the numbers of the bundled model cards into README.md
	$(BIN)/python -m training.docs metrics

wheel: $(VENV)/.installed-dev ## build the wheel and the source archive in dist/
	$(BIN)/python -m build

clean: ## remove build products and caches, keep .venv
	rm -rf build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "wildvision needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing wildvision in $(VENV); torch makes the first time take minutes"
	$(BIN)/pip install --quiet "torch>=2.9" "torchvision>=0.24" -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing wildvision and its development tools in $(VENV); torch makes the first time take minutes"
	$(BIN)/pip install --quiet "torch>=2.9" "torchvision>=0.24" -e ".[dev]"
	@touch $@ $(VENV)/.installed

include benchmarks/benchmarks.mk training/training.mk
