# The first `make quickstart` or `make test` makes the virtual environment .venv and installs the
# project into it; later ones reuse it. PYTHON names the interpreter that .venv is made from:
#   make test PYTHON=python3.12

PYTHON ?= python3
RUN := .venv/bin/python

# TensorFlow's start-up notes hide what a newcomer should read; set it to 0 to see them.
TF_CPP_MIN_LOG_LEVEL ?= 3
export TF_CPP_MIN_LOG_LEVEL

# `make docs EXECUTE=1` runs the tutorials, so that their pages show what they paint.
EXECUTE ?=
export DGN_DOCS_EXECUTE = $(if $(EXECUTE),true,false)

# How long `make soak` lasts.
MINUTES ?= 30

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-slow soak lint docs clean check-python

help:
	@echo "make quickstart   train a small model and evaluate it, into runs/quickstart"
	@echo "make test         run the unit tests"
	@echo "make test-slow    run the long tests: many processes, restarts, inputs, a browser"
	@echo "make tables       train and measure what docs/results.md has of rendered heads: 8 to 18 hours"
	@echo "make soak         kill runs and damage files for MINUTES=30"
	@echo "make lint         check style, docstrings, format and types"
	@echo "make docs         build the site, into site/ (EXECUTE=1: with what the tutorials paint)"
	@echo "make clean        remove .venv, build leftovers and caches (runs and models stay)"

quickstart: .venv/installed
	$(RUN) -m dgn_tf.train --flagfile=flags/quickstart.cfg --run_dir=runs/quickstart
	$(RUN) -m dgn_tf.evaluate --run_dir=runs/quickstart

test: .venv/installed
	$(RUN) -m pytest

test-slow: .venv/installed
	$(RUN) -m pytest -m slow

soak: .venv/installed
	DGN_SOAK_MINUTES=$(MINUTES) $(RUN) -m pytest -m slow tests/slow/test_faults.py tests/slow/test_fuzz*.py

lint: .venv/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pyright

# The variable silences a note about another program, which is no warning about the site.
docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --quiet --strict
	@echo "The site: site/index.html"

clean:
	rm -rf .venv build dist dgn_tf.egg-info site .cache .pytest_cache .ruff_cache
	find dgn_tf tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is the last thing its recipe makes, so an interrupted one is done again.
.venv/installed: setup.cfg pyproject.toml .venv/created
	$(RUN) -m pip install --disable-pip-version-check -e ".[test]"
	@touch $@

.venv/installed-docs: .venv/installed
	$(RUN) -m pip install --disable-pip-version-check -e ".[docs]"
	@touch $@

.venv/created: | check-python
	$(PYTHON) -m venv .venv
	@touch $@

# An environment that is ready is used as it is, whatever python3 is by now, unless PYTHON was
# given and asks for another version.
check-python:
	@if [ "$(origin PYTHON)" = file ] && [ -e .venv/created ]; then exit 0; fi; \
	command -v "$(PYTHON)" >/dev/null || { \
	  echo "$(PYTHON) is not on this machine: name a Python 3.11, 3.12 or 3.13, as in" \
	    "'make test PYTHON=python3.12'." >&2; exit 1; }; \
	version=$$("$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 1; \
	case "$$version" in 3.11|3.12|3.13) ;; *) \
	  echo "$(PYTHON) is Python $$version; dgn_tf needs 3.11, 3.12 or 3.13: name one, as in" \
	    "'make test PYTHON=python3.12'." >&2; exit 1;; esac; \
	"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: install its venv module (on Debian and" \
	    "Ubuntu: apt install python$$version-venv)." >&2; exit 1; }; \
	[ ! -x $(RUN) ] || $(RUN) -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" || { \
	  echo ".venv was made with another Python than $(PYTHON) ($$version): run 'make clean' first." >&2; \
	  exit 1; }

include docs/tables.mk
