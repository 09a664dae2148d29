"""Minutes of load on two scoring servers, with promotions and restarts under it; not part of `make test`.

    SOAK=600 pytest -s tests/soak.py

The store is a tracking server with PostgreSQL and passwords. Every question must be answered, every record kept, and
the memory of the servers at the end within a tenth of that at the beginning.
"""

import os
import subprocess
import time

import mlflow
import psutil
import pytest
import server
from test_switch import load, proxy, servers, switch  # noqa: F401

import helpers

SECONDS = int(os.environ.get("SOAK", 600))


@pytest.fixture(scope="module")
def versions(team):
    """MLflow's client of the team's server with two versions of onet-gwa, of which the first is the champion."""
    before, labels = mlflow.get_tracking_uri(), helpers.load_labels()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", team.address)
        patch.setenv("MLFLOW_TRACKING_USERNAME", team.user)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", team.password)
        helpers.connect()
        helpers.choose_experiment()
        X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
        helpers.prepare_registration("onet-gwa", labels)
        for rows in (400, 2000):
            with mlflow.start_run():
                logged = helpers.log_model(helpers.make_model().fit(X[:rows], y[:rows]), labels, X.head(1))
            helpers.register(logged.model_uri, "onet-gwa", rows / 10_000, "digest")
        helpers.set_champion("onet-gwa", 1)
        yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def megabytes(ports):
    """The memory of the processes that listen on the ports, in MB."""
    listen = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid]
    pids = {c.pid for c in listen if str(c.laddr.port) in ports}
    return sum(psutil.Process(pid).memory_info().rss for pid in pids) / 2**20


def records(client):
    """What the store knows of runs, models and versions, but for the alias."""
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    found = {run.info.run_id: (run.info.status, run.data.tags) for run in runs}
    return found | {
        version.version: version.tags for version in client.search_model_versions("name='onet-gwa'")
    }


def test_soak(team, versions, servers, proxy, switch):  # noqa: F811
    ports, restart = servers
    data = os.path.join(team.folder, "postgres")
    begin, before = time.monotonic(), records(versions)
    restart_of = {2: f"server on {ports[0]}", 3: "database", 4: f"server on {ports[1]}"}
    with load(proxy) as answers:
        time.sleep(10)
        memory = megabytes(ports)
        for k in range(6):
            helpers.set_champion("onet-gwa", 2 - k % 2)
            done = switch()
            assert done.returncode == 0, done.stderr
            print(f"{time.monotonic() - begin:5.0f} s: version {2 - k % 2} is served; {dict(answers)}")
            if "server" in restart_of.get(k, ""):
                port = restart_of[k].split()[-1]
                subprocess.run(restart.format(port=port).split(), check=True)
            elif k in restart_of:
                log = os.path.join(data, "server.log")
                server.postgres(
                    "pg_ctl", "restart", "--pgdata", data, "--log", log, "--wait"
                ).check_returncode()
            if k in restart_of:
                print(f"{time.monotonic() - begin:5.0f} s: restarted: {restart_of[k]}")
            time.sleep(max(0, begin + (k + 1) * SECONDS / 6 - time.monotonic()))
        after = megabytes(ports)
    print(f"{time.monotonic() - begin:5.0f} s: {dict(answers)}; memory {memory:.0f} MB, then {after:.0f} MB")
    assert set(answers) == {"onet-gwa/1", "onet-gwa/2"}
    assert records(versions) == before and str(helpers.champion("onet-gwa")) == "1"
    assert after < 1.1 * memory
