# `make check` is the whole truth: what it accepts may be merged.
# The tools come from .venv where there is one, else from PATH.
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)

.PHONY: check format lint types architecture test bench fuzz torture

check: lint types architecture test

format:
	$(BIN)ruff format .
	$(BIN)ruff check --fix .

lint:
	$(BIN)ruff format --check .
	$(BIN)ruff check .

types:
	$(BIN)mypy --strict device_models crossbar cli

architecture:
	$(BIN)lint-imports

# loadfile: the tests of a file are run by one worker, so their fixtures and kernels are made once.
# Compiled sources are kept: without them every worker and every command that a test starts
# compiles them again.
test:
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)pytest -n auto --dist loadfile --no-loadscope-reorder --durations=25

# Minutes; ratios want a quiet machine. BENCH="--quick --json FILE" passes options on.
bench:
	$(BIN)python tests/bench/bench.py $(BENCH)

# Damaged files for every reader, N in all: a quarter of an hour. FUZZ="--only device" passes options on.
N := 100000
SEED := 0
fuzz:
	OMP_NUM_THREADS=1 $(BIN)python tests/fuzz/fuzz_run.py --inputs $(N) --seed $(SEED) $(FUZZ)

# Kills, full disks and two at once, over every long command; minutes. TORTURE="--faults 1000 --seed 3" passes on.
torture:
	$(BIN)python tests/torture/torture.py $(TORTURE)
