# Everything a checkout needs: `make` lists it. Only Python 3.11 or newer and make are assumed; uv, Go, pulumi and
# helm are used when they are there. Set-up says what it skips and why.

.DEFAULT_GOAL := help
.PHONY: help setup setup-python tools demo test test-long test-torch test-linters check format figures lock lock-torch lock-linters \
  bench clean
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Other Python commands to try first: make PYTHON=/opt/python/bin/python3 …
PYTHON ?=
PYTEST_WORKERS ?= 2

# PyTorch for the profiler's own test stands apart: its pins are many, and the planner never imports it. What it loads
# only to compile or to factorize stays out; that is a fifth of it.
TORCH := .venv-torch
TORCH_UNUSED := triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cuda-cccl nvidia-cusolver nvidia-nvtx \
  networkx jinja2 markupsafe fsspec filelock setuptools

# Linters of infrastructure pin libraries far from the project's.
LINTERS := .venv-linters

# Tools that cannot be had are skipped with a sentence, and so are the tests that need them; CI wants them all.
SETUP_TOOLS := $(BIN)/python -m tools.setup tools browser || [ "$$CI" != true ]

# Every package with its hashes, for any machine.
SOLVE := uv pip compile pyproject.toml --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
  --no-header

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: setup-python ## Make .venv and build the pinned tools (nothing to do: under a second)
	@$(SETUP_TOOLS)
	@[ "$$CI" != true ] || $(MAKE) $(LINTERS)/complete

setup-python: ## Make .venv from requirements.lock: enough for planning and rehearsing
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec "$$python" -m tools.setup python; \
	  fi; \
	done; \
	echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3 setup" >&2; exit 1

tools: setup-python ## Build the pinned Go tools from source into the shared cache (uses the PATH's where they fit)
	@$(BIN)/python -m tools.setup tools

demo: setup-python ## Plan prod from a real trace, rehearse it, then deploy it to the twin: no account, no GPU
	@$(BIN)/python -m tools.demo plan rehearse
	@$(SETUP_TOOLS)
	@$(BIN)/python -m tools.demo deploy

test: setup ## Run the checks and all tests whose tools are there
	@$(MAKE) check
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

test-long: setup ## Run the tests that take minutes each and repeat what shorter ones show
	@$(BIN)/python -m pytest -m long -n $(PYTEST_WORKERS) --dist load

test-torch: setup-python $(TORCH)/complete ## Run the GPU profiler on the CPU with a real PyTorch (4 GB in .venv-torch)
	@$(BIN)/python -m pytest -m torch

$(TORCH)/complete: tools/torch/requirements.lock
	@echo "installing PyTorch into $(TORCH): 4 GB, one or two minutes" >&2
	@rm -rf $(TORCH)
	@$(BIN)/python -m venv --without-pip $(TORCH)
	@$(BIN)/python -m pip --python $(TORCH)/bin/python install --quiet --disable-pip-version-check \
	  --no-deps --require-hashes -r $<
	@touch $@

test-linters: setup-python $(LINTERS)/complete ## Run checkov and parliament over what is deployed (0.3 GB in .venv-linters)
	@$(BIN)/python -m pytest -m linters

$(LINTERS)/complete: tools/linters/requirements.lock
	@echo "installing linters into $(LINTERS): 0.3 GB, a minute" >&2
	@rm -rf $(LINTERS)
	@$(BIN)/python -m venv --without-pip $(LINTERS)
	@$(BIN)/python -m pip --python $(LINTERS)/bin/python install --quiet --disable-pip-version-check --no-compile \
	  --no-deps --require-hashes -r $<
	@touch $@

check: setup-python ## Lint, format, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup-python ## Format the code and mend what lint can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

figures: setup-python ## Write every figure of README.md and docs/ anew (FILES=README.md: those of one document)
	@$(BIN)/python -m tools.figures $(FILES)

lock: ## Solve requirements.lock and requirements-planner.lock anew from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "\`make lock\` needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	$(SOLVE) --extra dev -o requirements.lock
	$(SOLVE) --extra plot --extra setup --constraints requirements.lock --no-annotate -o requirements-planner.lock

lock-torch: ## Solve tools/torch/requirements.lock anew (needs uv)
	@command -v uv >/dev/null || { echo "\`make lock-torch\` needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	uv pip compile tools/torch/requirements.in --quiet --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-header --no-annotate $(TORCH_UNUSED:%=--no-emit-package %) -o tools/torch/requirements.lock

lock-linters: ## Solve tools/linters/requirements.lock anew (needs uv)
	@command -v uv >/dev/null || { echo "\`make lock-linters\` needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	uv pip compile tools/linters/requirements.in --quiet --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-header --no-annotate -o tools/linters/requirements.lock

bench: setup-python ## Run the benchmarks
	@for benchmark in benchmarks/*.py; do $(BIN)/python -m "benchmarks.$$(basename "$$benchmark" .py)" || exit 1; done

clean: ## Remove what was made in this checkout (the shared cache of tools stays)
	rm -rf .venv .venv-planner $(TORCH) $(LINTERS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
