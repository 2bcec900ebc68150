# Everything one does with a checkout. The first target that needs it makes .venv; all are safe to run again.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo kernels test test-all fuzz check format bench bench-all clean
export PYTHON

help:  ## show this list
	@echo "make TARGET, where TARGET is"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(INSTALLED): pyproject.toml constraints.txt .ci/environment.py
	@for python in "$(PYTHON)" python3 python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info[0] != 3)' 2>/dev/null; then \
			exec "$$python" .ci/environment.py; \
		fi; \
	done; \
	echo "no Python 3 was found; install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3 ..." >&2; \
	exit 1

demo: $(INSTALLED)  ## stream from the built-in models, live
	@$(BIN)/python -m pipelines.demo $(ARGS)

# two processes, each with whole groups of tests; pytest-benchmark does not go with that and is not needed
PARALLEL := -n auto --dist loadgroup -p no:benchmark

kernels: $(INSTALLED)  ## compile the kernels that the tests need; `make test` does it too
	@$(BIN)/python -m tests.compile_kernels

test: $(INSTALLED) $(if $(ARGS),,kernels)  ## run the tests, without the slow ones (ARGS="-k rng" for some of them)
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(ARGS)

test-all: $(INSTALLED) $(if $(ARGS),,kernels)  ## run all tests (ARGS="-m slow" for the others)
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: $(INSTALLED)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# large pages make a fork of the fuzzer three times cheaper
CHEAP_FORKS := PYTHONMALLOC=malloc GLIBC_TUNABLES=glibc.malloc.hugetlb=1

fuzz: $(INSTALLED) kernels  ## change checkpoints and states at random (ARGS="--minutes 60"; --help)
	@$(CHEAP_FORKS) $(BIN)/python -m tests.fuzzing $(ARGS)

format: $(INSTALLED)  ## format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## measure speed, the quick part (under 5 minutes), into the benchmarks/REPORT-….md of this kind of CPU
	@$(call measure,make bench,-m "not slow")

bench-all: $(INSTALLED)  ## measure speed, all of it
	@SEQGEN_BENCH_COMPILE=1; export SEQGEN_BENCH_COMPILE; $(call measure,make bench-all,)

define measure
mkdir -p .benchmarks; status=0; \
$(BIN)/python -m pytest benchmarks $(2) --benchmark-json=.benchmarks/latest.json \
	--benchmark-columns=median,min,rounds $(ARGS) || status=$$?; \
$(BIN)/python -m benchmarks.report .benchmarks/latest.json --command '$(1)' && \
	exit $$status
endef

clean:  ## remove what was made, except .venv
	rm -rf build dist demo .benchmarks .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
