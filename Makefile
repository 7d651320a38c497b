# `make demo` and `make test` set up all that they need in .venv, with Python 3.11, 3.12 or 3.13.

PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(if $(shell $(name) -c "import sys; print(1 if (3, 11) <= sys.version_info < (3, 14) else '')" 2>/dev/null),$(name))))
BIN := .venv/bin

.PHONY: demo test test-fast lint docs pretrain bench wheel clean

demo: .venv/installed
	$(BIN)/forecast train configs/power.yaml --verbose
	$(BIN)/forecast predict runs/power --horizon 24 --output runs/power/forecast.csv --plot runs/power/future.png
	@echo
	@echo "The forecast of the next day:      runs/power/forecast.csv"
	@echo "A picture of it:                   runs/power/future.png"
	@echo "The held-out end, and the losses:  runs/power/versions/$$(cat runs/power/current)/forecast.png, loss.png"
	@echo "What to do next:                   README.md"

# Where Python may not keep what it compiles, each command that a test starts compiles the program again.
test test-fast: export PYTHONDONTWRITEBYTECODE =

test: .venv/installed-dev lint
	@# Three processes for two cores: some tests wait for clusters, signals and time limits.
	$(BIN)/python -m pytest -n 3 --dist worksteal --durations 20

# For the loop while you work, about a minute: it leaves out every test that runs a command, trains or loads TensorFlow.
test-fast: .venv/installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" --ignore tests/models --ignore tests/training --ignore tests/explain/test_diagnose.py

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed-dev
	$(BIN)/python docs/generate_config.py
	$(BIN)/python docs/generate_jobs.py
	$(BIN)/python -m docs.generate_problems
	$(BIN)/python -m docs.run_notebook

# The network that forecasts without a training, from generated series alone: hours on a CPU. It resumes where it was interrupted.
pretrain: .venv/installed
	$(BIN)/python -m forecaster.training.pretrain --output build/pretrained
	cp build/pretrained/network.onnx forecaster/pretrained/network.onnx
	cp build/pretrained/pretraining.jsonl benchmarks/pretraining.jsonl

# Speed: of training next to other libraries, which get their own environment, of forecasts and of exported networks. It
# takes about half an hour on a quiet machine.
bench: .venv/installed .venv-bench/installed
	$(BIN)/python benchmarks/speed/training.py
	$(BIN)/python benchmarks/speed/time_to_accuracy.py
	$(BIN)/python benchmarks/speed/predicting.py
	$(BIN)/python benchmarks/speed/exported_networks.py

# The wheel of this version, in dist/; what an earlier build left would end up in it.
wheel: .venv/bin/python
	rm -rf build dist *.egg-info
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	rm -rf build
	@ls dist/*.whl

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.11, 3.12 or 3.13; none was found on the PATH" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv-bench/installed: benchmarks/speed/peers.txt
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.11, 3.12 or 3.13; none was found on the PATH" >&2; exit 1; }
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --requirement benchmarks/speed/peers.txt
	@touch $@

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train]"
	@touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch .venv/installed $@

clean:
	rm -rf .venv .venv-bench build dist *.egg-info
