# Everything runs in its own environment, VENV, with the versions that constraints.txt pins.
# On Linux without an NVIDIA GPU, PIP_FLAGS can point pip at PyTorch's much smaller CPU builds:
#   make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
PIP_FLAGS ?=
DEMO ?= demo

BIN := $(VENV)/bin
# Python compiles what is imported; most of what is installed never is.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile $(PIP_FLAGS) -c constraints.txt

# What depends on the processor's instructions, and the lowest that are run; a faster processor
# would hide what slower ones cannot do.
NO_ARITHMETIC := $(patsubst %,--ignore tests/models/test_%.py,choice commercial fetch model_docs \
	no_waiting remap source untrusted_weights) --deselect tests/nn/test_fused_gpu.py::test_kernels
ARITHMETIC := tests/models tests/multiview $(wildcard tests/nn) $(NO_ARITHMETIC) \
	tests/geometry tests/densification/test_correlation.py tests/tracking/test_by_matching.py \
	tests/tracking/test_by_network.py tests/test_reconstruction.py
PLAIN_CPU := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41

.PHONY: help setup demo test test-plain-cpu test-long test-pages check docs clean

help:
	@echo "make demo    reconstruct and refine the example photos into $(DEMO)/ and measure the result"
	@echo "make test    run the tests"
	@echo "make test-plain-cpu   run those of arithmetic with a plain processor's instructions"
	@echo "make test-long        run those that take six seconds and more each"
	@echo "make test-pages       run what the documentation shows, a minute a page"
	@echo "make check   format, lint, types, import layers"
	@echo "make docs    build the documentation as a site, in build/site/"
	@echo "make setup   only make the environment $(VENV)"
	@echo "make clean   remove $(VENV) and $(DEMO)"

# The stamps are newer than what they were made from; another pyproject.toml or other pins remake them.
$(VENV)/.python: constraints.txt pyproject.toml
	@echo "making $(VENV) (a few minutes when packages must be downloaded)"
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed, this is ' + sys.version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.python
	@$(PIP) -e '.[colmap]'
	@touch $@

$(VENV)/.dev: $(VENV)/.python
	@$(PIP) -e '.[colmap,dev]'
	@touch $(VENV)/.core $@

setup: $(VENV)/.dev

demo: $(VENV)/.core
	@$(BIN)/python scripts/demo.py --out $(DEMO)

test: $(VENV)/.dev
	$(BIN)/python -m pytest

test-plain-cpu: $(VENV)/.dev
	$(PLAIN_CPU) $(BIN)/python -m pytest $(ARITHMETIC)

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -m long

test-pages: $(VENV)/.dev
	$(BIN)/python -m pytest -m pages

check: $(VENV)/.dev
	PATH="$(abspath $(BIN)):$$PATH" scripts/check

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV) $(DEMO)
