PYTHON ?= python3
PORT ?= 5001
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: run serve test bench lab ui notebooks mutate repeat canary lint lock clean

run: .venv/ready  ## run the main job on the sample
	mlflow run . --env-manager local

serve: .venv/ready  ## serve the champion on http://127.0.0.1:5001, or another PORT
	@python -c 'import sys, helpers; sys.tracebacklimit = 0; helpers.connect(); sys.exit(None if helpers.champion() else "make serve: there is no champion yet; make run trains one")'
	MLFLOW_TRACKING_URI=$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db} mlflow models serve \
		--model-uri models:/onet-gwa@champion --env-manager local --port $(PORT)

test: .venv/ready  ## run all tests; the notebooks are replayed too
	pytest

bench: .venv/ready  ## compare with the pilot's method; needs ../shared/onet and a quiet machine
	python benchmarks/bench.py
	python benchmarks/quality.py

lab: .venv/ready  ## open the notebooks in JupyterLab
	jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/01_data_preparation.ipynb

ui: .venv/ready  ## open the MLflow UI on http://127.0.0.1:5000
	@case "$${MLFLOW_TRACKING_URI:=sqlite:///mlflow.db}" in \
		http*) echo "make ui: the tracking server has its UI at $$MLFLOW_TRACKING_URI" ;; \
		*) set -x; mlflow ui --backend-store-uri "$$MLFLOW_TRACKING_URI" ;; \
	esac

notebooks: .venv/ready  ## execute the notebooks in place, and write them as they are committed
	python tests/refresh.py

mutate: .venv/ready  ## show that nbval goes red where an output of a notebook was changed
	python tests/mutate.py

repeat: .venv/ready  ## replay the notebooks 20 times, and count the green runs
	python tests/repeat.py 20

canary: .venv/ready  ## test the pinned, newest and oldest packages on each Python; CANARY holds options
	python tests/canary.py $(CANARY)

lint: .venv/ready  ## mend the style of code and notebooks
	ruff check --fix
	ruff format

lock: .venv/ready  ## write requirements.txt anew from the versions in conda.yaml
	sed -n 's/^ *- \([][a-z0-9-]*==.*\)/\1/p' conda.yaml | uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-annotate --custom-compile-command "make lock" --quiet \
		--output-file requirements.txt

clean:  ## remove the environment and all that was recorded
	rm -rf .venv .pytest_cache .ruff_cache failed mlflow.db mlruns

.venv/ready: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python {v[0]}.{v[1]} is too old, 3.11 is needed; name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check $$(grep -o '^uv==[^ ]*' requirements.txt)
	uv pip install --quiet --compile-bytecode --python .venv/bin/python -r requirements.txt
	touch $@
