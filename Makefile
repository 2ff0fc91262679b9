# make demo    installs pvasm in .venv, checks the samples and expands them for every instance
# make test    the same set-up, with the tools of developers, and the tests (make test PYTEST_FLAGS="-n 2": the slow too)
# make lint    ruff and mypy
# make fuzz    random inputs for FUZZ_MINUTES minutes; what fails is kept in fuzz-failures/
# make docs    the documentation as a site, build/site/html/index.html: its links are checked, and it needs no network
# make man     the manual pages, build/man/*.1 (man -l build/man/pvasm-check.1)
# make bench   how fast pvasm is, against the preprocessor, sed and the assembler
# make clean   removes all that the others made

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTEST_FLAGS ?= -n 2 --dist worksteal -m 'not slow'

FUZZ_MINUTES ?= 10

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

SAMPLES := $(wildcard sample_S/*.S)

.PHONY: demo test lint docs man bench fuzz clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	@echo '== The samples as they should be: notes at most, so the exit status is 0.'
	$(BIN)/pvasm check $(SAMPLES) sample_S/include
	@echo
	@echo '== All of sample_S/, broken copies too: these must be found, so the exit status is 1.'
	$(BIN)/pvasm check sample_S || test $$? -eq 1
	@echo
	@echo '== Every sample for every instance.'
	@rm -rf demo-output
	$(BIN)/pvasm expand $(SAMPLES) --instance all --output-dir demo-output
	@find demo-output -type f | sort | xargs wc -l
	@echo
	@echo '== A TLB miss handler, native and under two hypervisors: the same comes of it, and what it costs.'
	$(BIN)/pvasm test sample_S/scenarios
	$(BIN)/pvasm compare sample_S/ivt.S -I sample_S/include --stub-missing --entry dtlb_miss --random 50
	@echo
	@echo '== A copy in which thash was left bare, where the hypervisor traps what faults: it goes wrong, so the exit status is 1.'
	$(BIN)/pvasm compare sample_S/broken/ivt.S -I sample_S/include --instances native,trap \
		--scenario sample_S/scenarios/dtlb_miss.yaml || test $$? -eq 1
	@echo
	@echo '== One image for bare hardware and for Xen, of binutils alone: it patches itself, calls through its tables, boots.'
	@if command -v ia64-linux-gnu-ld >/dev/null; then \
		$(MAKE) --no-print-directory -s -C sample_S/image OUT=$(CURDIR)/demo-output PVASM=$(CURDIR)/$(BIN)/pvasm && \
		$(BIN)/pvasm simulate demo-output/image --scenario sample_S/image/bare_hardware.yaml \
			--text 0x3000000 --text 0x3002000 | tail -n 5 && \
		$(BIN)/pvasm simulate demo-output/image --scenario sample_S/image/xen.yaml --instance xen \
			--text 0x3000000 --text 0x3002000 | tail -n 5; \
	else echo 'binutils for IA-64 are not installed (apt-get install binutils-ia64-linux-gnu)'; fi
	@echo
	@echo '== What Xen gets where the source says an op (the first lines that differ):'
	@diff sample_S/switch_to.S demo-output/xen/switch_to.S | head -n 30

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	$(BIN)/python -m website build/site

man: $(VENV)/.installed
	$(BIN)/pvasm man --output-dir build/man

bench: $(VENV)/.installed-dev
	$(BIN)/python bench/run.py

fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.fuzz --minutes $(FUZZ_MINUTES)

clean:
	rm -rf $(VENV) demo-output fuzz-failures build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml $(VENV)/.created
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.created
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.installed

# Debian splits pip's bootstrap off into the package python3-venv. Where that is missing, take pip from wherever this
# machine has it, or from the wheel that Debian packages; none of this needs root if apt has its package lists.
$(VENV)/.created:
	@test -n '$(PYTHON)' || { echo 'make: Python 3.11 or later is needed: apt-get install python3' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'make: $(PYTHON) is older than Python 3.11' >&2; exit 1; }
	@'$(PYTHON)' -m venv --clear $(VENV) >/dev/null 2>&1 || { \
		'$(PYTHON)' -m venv --clear --without-pip $(VENV) && \
		{ $(pip_from_this_python) || $(pip_from_debian); }; \
	} 2>/dev/null || { \
		rm -rf $(VENV); \
		echo 'make: cannot create a virtual environment with pip; try: apt-get install python3-venv' >&2; \
		exit 1; \
	}
	@touch $@

pip_from_this_python = '$(PYTHON)' -m pip --python $(BIN)/python install --quiet pip

pip_from_debian = ( \
	scratch=$$(mktemp -d) && trap "rm -rf $$scratch" EXIT && \
	( cd $$scratch && { apt-get download python3-pip-whl || { apt-get update && apt-get download python3-pip-whl; }; } && \
	  dpkg-deb -x python3-pip-whl_*.deb . ) >/dev/null && \
	wheel=$$(echo $$scratch/usr/share/python-wheels/pip-*.whl) && \
	$(BIN)/python $$wheel/pip install --quiet --no-index $$wheel )
