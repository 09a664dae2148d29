"""Two versions that are registered at once, on a tracking server with PostgreSQL."""

import mlflow
import pytest
from test_promotion import check_two_at_once, data, log_pipelines  # noqa: F401

import helpers

pytestmark = pytest.mark.slow


def test_two_at_once_on_postgresql(data, team, monkeypatch):  # noqa: F811
    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.address)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", team.user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", team.password)
    helpers.connect()
    try:
        helpers.choose_experiment()
        check_two_at_once(data, log_pipelines(data), "at once")
    finally:
        mlflow.set_tracking_uri(before)
