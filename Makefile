# Everything a newcomer types.  `make help` lists it; PYTHON=… chooses the interpreter for new environments.

PORT ?= 6379
PYTEST_ARGS ?=

# What the benchmarks are told: make bench ROW='redis-*' ROUNDS=3 SECONDS=0.5
COMPILED := --python .venv-compiled/bin/python
CHOSEN = $(if $(ROW),--row '$(ROW)') $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

# Processes that tests start import what their environment holds, not the tree they happen to be started in.
SAFE := PYTHONSAFEPATH=1

.DEFAULT_GOAL := help
.PHONY: help run test lint types test-pure test-compiled test-python explore bench bench-scale bench-guard bench-pages soak docs env compiled-env clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-22s%s\n", $$1, $$2 }'

run:  ## start a Redis server on this machine (PORT=6380 for another port)
	@tools/run-redis $(PORT)

test: lint types test-pure  ## style, types, and every test in the pure build

lint: env
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: env
	.venv/bin/mypy

test-pure: env
	@tools/system-packages
	$(SAFE) PIPELINE_NET_EXPECT=pure .venv/bin/pytest $(PYTEST_ARGS)

test-compiled: compiled-env  ## every test again, in the compiled build
	@tools/system-packages
	$(SAFE) PIPELINE_NET_EXPECT=compiled .venv-compiled/bin/pytest $(PYTEST_ARGS)

test-python:  ## every test, pure and compiled, with another interpreter: PYTHON=python3.13
	@tools/system-packages
	PYTHON='$(PYTHON)' tools/test-python $(PYTEST_ARGS)

explore: env  ## the tests that draw their examples, with thousands of others in every run (takes long)
	$(SAFE) .venv/bin/pytest -m hypothesis --hypothesis-profile=explore --timeout=3600 $(PYTEST_ARGS)

bench: env compiled-env  ## the claims about speed, measured side by side (ROW=frames-16 or a glob, ROUNDS=5, SECONDS=1)
	@tools/bench-packages
	.venv/bin/python benchmarks/run.py $(COMPILED) --pure-python .venv/bin/python $(CHOSEN)

bench-scale: compiled-env  ## how cost, memory and latency grow with connections, sizes, loops (ROW=, ROUNDS=, SECONDS=)
	@tools/bench-packages
	.venv-compiled/bin/python benchmarks/run.py scale $(COMPILED) $(CHOSEN)

bench-guard: compiled-env  ## has a hot path become longer?  counts instructions; RECORD=1 records them
	@tools/system-packages
	.venv-compiled/bin/python benchmarks/run.py guard $(COMPILED) $(if $(RECORD),--record)
	$(if $(RECORD),.venv-compiled/bin/python benchmarks/run.py pages)

bench-pages: env  ## the last whole runs of bench and bench-scale, as figures and charts of README and manual
	.venv/bin/python benchmarks/run.py pages --take

soak: env compiled-env  ## thousands of peers that behave badly, for a minute; then the server's books are checked
	.venv/bin/python benchmarks/holding_up.py --python .venv-compiled/bin/python
	.venv/bin/python benchmarks/holding_up.py --python .venv/bin/python --seconds 15

docs:  ## the manual, into docs/_build/html
	@tools/environment docs
	.venv-docs/bin/sphinx-build -W --keep-going -b html docs docs/_build/html

env:  ## .venv: the tree itself, never compiled, and what the tests need
	@tools/environment pure

compiled-env:  ## .venv-compiled: the compiled package, and what the tests need
	@tools/environment compiled --tested

clean:  ## remove everything that these targets have made
	rm -rf .venv .venv-* build dist *.egg-info docs/_build
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
