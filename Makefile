# make demo    the main job, on loopback, over a real file
# make test    everything, with real clients and nodes; LONG=1 for the long Hypothesis profile
# make check   the fast loop: ruff, mypy, the tests that need no foreign program
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROFILE := $(if $(LONG),--hypothesis-profile=long,)
JOBS ?= 2

.PHONY: demo test check lint clients clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/axon demo $(ARGS)

test: lint clients
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PROFILE) $(ARGS)

check: lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not interop and not slow" $(PROFILE) $(ARGS)

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Clients, trackers and nodes that we did not write; fails when one cannot be had.
clients: $(VENV)/installed
	scripts/install_clients.sh

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Axon needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	touch $@

clean:
	rm -rf $(VENV) .tools build *.egg-info demo-out
