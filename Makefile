# Commands are called by their path, because make 3.81 looks for them on a PATH of its own; what they start
# finds the environment's commands on the one exported here.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY ?= true
# What a user has set for other Pythons does not fit the one in the environment.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONWARNINGS
PYTHON ?= python3
BIN := .venv/bin
FIRST := 01_data_preparation.ipynb

.PHONY: help run serve demo promote rollback switch reap record prune spark ui server lab exercises test test-fast lint notebooks pictures mutate repeat bench scale site canary audit lock clean clean-records

help:  ## list what make can do
	@$(PYTHON) tools/help.py Makefile

run: .venv/ready  ## run the main job on the sample
	@$(BIN)/python tools/run.py

serve: .venv/ready  ## serve the champion on http://127.0.0.1:5001, or another HOST and PORT; MODEL names another, ANSWERS keeps a log
	@$(BIN)/python tools/serve.py

demo: .venv/ready  ## try the champion in the browser on http://127.0.0.1:5003, or another PORT; MODEL names another
	@$(BIN)/python demo/app.py

promote: .venv/ready  ## make another version the champion, as in VERSION=7; MODEL names another model
	@$(BIN)/python tools/promote.py

rollback: .venv/ready  ## make the champion before this one the champion again; MODEL names another model
	@$(BIN)/python tools/promote.py rollback

switch: .venv/ready  ## let the servers on PORTS serve the present champion, one after the other
	@$(BIN)/python tools/switch.py

reap: .venv/ready  ## close the runs that dead processes of this machine left, and remove their temporary folders
	@$(BIN)/python tools/reap.py

record: .venv/ready  ## log and register what a job has kept in FOLDER, since its store was lost
	@$(BIN)/python tools/record.py

prune: .venv/ready  ## remove old runs and the files of their models, but the KEEP newest (10) and those with an alias
	@$(BIN)/python tools/prune.py

spark: .venv/ready-spark  ## add Spark to the environment, for the entry point score with a master, and for notebook 06

ui: .venv/ready  ## open the MLflow UI on http://127.0.0.1:5000, or another PORT
	@$(BIN)/python tools/ui.py

server: .venv/ready-server  ## start a tracking server with PostgreSQL and passwords on http://127.0.0.1:5000, or another PORT
	@$(BIN)/python tools/server.py

lab: .venv/ready  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/$(FIRST)

exercises: .venv/ready  ## write the exercises without solutions into the folder exercises/; what is there is left as it is
	@$(BIN)/python tools/exercises.py

test: .venv/ready-dev  ## run all tests, and replay the notebooks; PYTEST holds options
	$(BIN)/pytest --nbval --nbval-sanitize-with=tools/sanitize.cfg \
		--numprocesses=3 --dist=loadfile --no-loadscope-reorder $(PYTEST) notebooks tests

test-fast: .venv/ready-dev  ## run the tests that take less than 2 seconds each
	$(BIN)/pytest -m "not slow" --numprocesses=2 tests

lint: .venv/ready-dev  ## mend the style of code and notebooks
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

notebooks: .venv/ready-dev  ## execute the notebooks in place, and write them as they are committed
	$(BIN)/python tools/refresh.py
	$(BIN)/python tools/guards.py

pictures: .venv/ready-dev  ## draw the picture of the whole, and take the screenshots of MLflow's UI
	$(BIN)/python tools/picture.py
	$(BIN)/python tools/screenshots.py

mutate: .venv/ready-dev  ## show that nbval goes red where an output of a notebook was changed
	$(BIN)/python tools/mutate.py

repeat: .venv/ready-dev  ## replay the notebooks 20 times, and count the green runs
	$(BIN)/python tools/repeat.py 20

bench: .venv/ready  ## compare with the pilot's method and others on O*NET tasks; BENCH holds options
	$(BIN)/python benchmarks/bench.py $(BENCH)

scale: .venv/ready-spark  ## measure how many statements each way scores in a second; SCALE holds options
	$(BIN)/python benchmarks/scale.py $(SCALE)

site: .venv/ready-site  ## build the pages and notebooks as a site in site/html, which needs no network
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir site/doctrees --conf-dir docs . site/html

canary: .venv/ready-dev  ## test the pinned, newest and oldest packages on each Python; CANARY holds options
	$(BIN)/python tools/canary.py $(CANARY)

audit: .venv/ready  ## ask PyPI for known weaknesses of the locked packages
	$(BIN)/uvx pip-audit@2.10.1 --strict --disable-pip --require-hashes --requirement requirements-dev.txt --requirement deploy/requirements.txt --requirement requirements-spark.txt --requirement docs/requirements.txt

lock: .venv/ready  ## write the lock files anew from the ranges in pyproject.toml
	$(BIN)/python tools/lock.py

clean:  ## remove the environment and what tests leave; what was recorded stays
	rm -rf .venv .pytest_cache .ruff_cache failed site

clean-records:  ## remove what was recorded in this folder, after a question, which YES=1 answers
	@$(PYTHON) tools/clean_records.py

# A Python that is named may be another one than the environment's.
.venv/ready: requirements.txt $(if $(filter file,$(origin PYTHON)),,FORCE)
	@$(PYTHON) tools/environment.py

.venv/ready-server: .venv/ready deploy/requirements.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r deploy/requirements.txt
	@touch $@

.venv/ready-spark: .venv/ready requirements-spark.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements-spark.txt
	@touch $@

.venv/ready-site: .venv/ready docs/requirements.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r docs/requirements.txt
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements-dev.txt
	@touch $@

FORCE:
