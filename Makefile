# `make help` lists the targets. Each sets up what it needs; PYTHON, TORCH, TORCH_INDEX_URL and
# VENV go through to tools/setup.sh.
.DEFAULT_GOAL := help
.PHONY: help setup test test-long demo bench bench-gpu docs lint clean

VENV ?= .venv
export VENV
PYTEST_WORKERS ?= 2
# Where workers share few cores, OpenMP's spinning threads take the time of those that work.
export OMP_WAIT_POLICY ?= passive

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: ## build the virtual environment (seconds when it is complete)
	@bash tools/setup.sh

test: setup ## run the tests (minutes)
	$(VENV)/bin/python -m pytest -n $(PYTEST_WORKERS) tests -m "not long"

test-long: setup ## run the long tests
	$(VENV)/bin/python -m pytest -n $(PYTEST_WORKERS) tests -m long

demo: setup ## from real recordings to a recogniser, on a laptop
	PATH="$(abspath $(VENV))/bin:$$PATH" bash egs2/core_sounds/demo.sh

bench: setup ## measure speed beside peers on one CPU thread, into benchmarks/RESULTS.md
	$(VENV)/bin/python -m benchmarks.speed

bench-gpu: setup ## the same on a CUDA GPU
	$(VENV)/bin/python -m benchmarks.speed --device cuda

docs: setup ## build API pages from the docstrings into docs/api
	$(VENV)/bin/python tools/build_api_pages.py docs/api

lint: setup ## check style: ruff and shellcheck
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	git ls-files -z -- '*.sh' .ci/run | xargs -0 -r $(VENV)/bin/shellcheck -x

clean: ## delete the virtual environment, builds and caches; recipes' data stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -not -path './.git/*' -exec rm -rf {} +
