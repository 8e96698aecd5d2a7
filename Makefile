PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TRY    := try

.DEFAULT_GOAL := help
.PHONY: help install run test trials lab lab-down bench bench-peers bench-web bench-sweep bench-runlist bench-analyse bench-claims bench-scale bench-simulated bench-order together rounds inbox-rounds check format clean

help:  ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

$(BIN)/jobauto: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(BIN)/jobauto
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test,check]'
	@touch $@

install: $(BIN)/jobauto  ## make the environment in .venv

run: install  ## make a small tree and run it on this machine (takes seconds)
	rm -rf $(TRY)
	$(BIN)/jobauto init demo --ldir $(TRY)
	$(BIN)/python jobmon.py --ldir $(TRY) --scheduler local --interval 1
	@echo; cat $(TRY)/*/summary/table

test: $(VENV)/.dev  ## all tests for which there are the parts (see lab)
	$(BIN)/python tests/side_by_side.py

trials: $(VENV)/.dev  ## random histories of whole runs (N=100000), or one again (SEED=123)
	PYTHONPATH=. $(BIN)/python tests/trials.py $(if $(SEED),--seed $(SEED),$(if $(N),--number $(N)))

lab:  ## start a real sshd, Slurm, Grid Engine, PostgreSQL here, and fake clusters; Chromium (Debian 12, root)
	lab/up

lab-down:  ## stop what lab started
	lab/down

bench: $(VENV)/.dev  ## measure against floors and aims (needs lab, GNU parallel; BENCH=OPTIONS); writes bench/RESULTS.md
	$(BIN)/python bench/bench.py $(BENCH)

bench-peers: $(VENV)/.dev  ## other programs beside ours, from PyPI (needs lab; BENCH=OPTIONS); the same file
	$(BIN)/python bench/bench.py --only peers $(BENCH)

bench-web: $(VENV)/.dev  ## measure HTTP and reports at 10,000 jobs; the same file
	$(BIN)/python bench/web.py

bench-sweep: $(VENV)/.dev  ## time 10,000 jobs of a sweep; the same file
	$(BIN)/python bench/sweep.py

bench-runlist: $(VENV)/.dev  ## time 100,000 run files; the same file
	$(BIN)/python bench/runlist.py

bench-analyse: $(VENV)/.dev  ## time the results of 10,000 jobs; the same file
	$(BIN)/python bench/analyse.py

bench-simulated: $(VENV)/.dev  ## runs of up to 1,000,000 jobs in memory; the same file
	$(BIN)/python bench/simulated.py

bench-order: $(VENV)/.dev  ## how soon uneven trees end with either --order, in memory; the same file
	$(BIN)/python bench/order.py

bench-claims: $(VENV)/.dev  ## claims a second in a shared task (needs lab); the same file
	$(BIN)/python bench/claims.py

bench-scale: $(VENV)/.dev  ## start, memory, restart, an idle tick at 100,000 jobs; the same file
	$(BIN)/python bench/scale.py

together: $(VENV)/.dev  ## 8 monitors of 4 people on one task, killed at random (needs lab); the same file
	$(BIN)/python bench/team.py

rounds: $(VENV)/.dev  ## kill the monitor 200 times on each scheduler and count (ROUNDS=OPTIONS)
	$(BIN)/python bench/rounds.py $(ROUNDS)

inbox-rounds: $(VENV)/.dev  ## kill the monitor of an inbox 50 times, here and on Slurm, and count (ROUNDS=OPTIONS)
	$(BIN)/python bench/inbox.py $(ROUNDS)

check: $(VENV)/.dev  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## put the source into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what was made here
	rm -rf $(VENV) $(TRY) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
