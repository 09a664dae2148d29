"""Which version becomes the champion: the rules, the gates, and two that are registered at once."""

import multiprocessing
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import mlflow
import numpy as np
import pytest
from messages import on_page

import helpers

pytestmark = pytest.mark.slow
# As many as you have patience for: TRIES=50 pytest tests/test_promotion.py
TRIES = int(os.environ.get("TRIES", 4))


@pytest.fixture(scope="module")
def data():
    """The test rows of the sample, and pipelines of different worth, which were trained on the others."""
    labels = helpers.load_labels()
    X, X_test, y, y_test, _ = helpers.split(*helpers.to_X_y(helpers.load_tasks("sample", labels), labels))
    two = y.copy()
    two.iloc[:, 2:] = 0
    pipelines = {
        "good": helpers.make_model().fit(X, y),
        "fair": helpers.make_model().fit(X[::2], y[::2]),
        "poor": helpers.make_model().fit(X[::5], y[::5]),
        "two labels": helpers.make_model().fit(X, two),
    }
    return X_test, y_test, pipelines


def log_pipelines(data):
    """Log the pipelines; return where they are. Their runs go on as long as the tests."""
    labels, uris, client = helpers.load_labels(), {}, mlflow.MlflowClient()
    for title, pipeline in data[2].items():
        with mlflow.start_run() as run:
            uris[title] = helpers.log_model(pipeline, labels, data[0].head(1)).model_uri
        client.update_run(run.info.run_id, "RUNNING")
    return uris


@pytest.fixture(scope="module")
def uris(store, data):
    return log_pipelines(data)


@pytest.fixture
def name(request, store):
    """A registered model for each test."""
    name = request.node.name.partition("[")[0]
    helpers.prepare_registration(name, helpers.load_labels())
    return name


@pytest.fixture
def nightly(data, uris, name):
    """A function that registers one of the pipelines and decides; it returns what `promote` returns."""
    X_test, y_test, pipelines = data

    def nightly(title, rule="better", least=0.0, digest="a"):
        f1_micro = helpers.score(y_test, pipelines[title].predict(X_test))["f1_micro"]
        version = helpers.register(uris[title], name, f1_micro, digest, rule)
        decision = helpers.promote(version, name, pipelines[title], X_test, y_test, rule, least)
        tags = mlflow.MlflowClient().get_model_version(name, str(version)).tags
        assert tags["decision"] == decision[1] and "\n" not in decision[1]
        assert decision[0] == (str(helpers.champion(name)) == str(version))
        return decision

    return nightly


def test_three_nights(nightly, data, name):
    """Other data each night, and the better model wins on the rows of that night."""
    X_test, y_test, pipelines = data
    won, why, metrics = nightly("poor", digest="monday")
    assert won and metrics == {} and why == f"version 1 of {name} became the champion: there was none"
    won, why, metrics = nightly("good", digest="tuesday")
    f1 = {k: helpers.score(y_test, pipelines[k].predict(X_test))["f1_micro"] for k in ("poor", "good")}
    low, high = helpers.bootstrap_interval(y_test, *(pipelines[k].predict(X_test) for k in ("good", "poor")))
    lead = f1["good"] - f1["poor"]
    assert won and metrics == {
        "champion_f1_micro": f1["poor"],
        "champion_lead": lead,
        "champion_lead_low": low,
        "champion_lead_high": high,
    }
    assert 0 < low < lead < high
    assert why == (
        f"version 2 of {name} became the champion: micro-F1 {f1['good']:.3f}, that of version 1 {f1['poor']:.3f} on "
        f"the same {len(X_test)} statements, 95 % interval of the lead {low:.3f} to {high:.3f} "
        f"(make rollback MODEL={name} makes version 1 the champion again)"
    )
    won, why, _ = nightly("good", digest="wednesday")
    assert not won and on_page("version … of … is not the champion: it is no better").search(why)
    assert why.endswith(f"(make promote VERSION=3 MODEL={name} makes it that)")
    aliases = mlflow.MlflowClient().get_registered_model(name).aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "2", "previous": "1"}


def test_the_rule_not_worse(nightly):
    """Fresher data win unless they do harm."""
    assert nightly("good", "not-worse")[0]
    assert nightly("good", "not-worse")[0]
    won, why, metrics = nightly("poor", "not-worse")
    assert not won and on_page("version … of … is not the champion: it is worse").search(why)
    assert metrics["champion_lead_high"] < 0


def test_what_bars_the_first_version(nightly, data):
    won, why, metrics = nightly("good", "never")
    assert not won and on_page("version … of … is not the champion: promote is 'never'").search(why)
    won, why, metrics = nightly("good", least=0.9)
    assert not won and on_page("version … of … is not the champion: its micro-F1").search(why)
    assert "is below the gate, 0.900" in why
    won, why, metrics = nightly("two labels")
    assert not won and "its training rows do not tell 35 labels, such as 4A1b1" in why
    assert metrics == {} and nightly("good")[0]


def test_what_bars_a_newcomer(nightly):
    assert nightly("good")[0]
    won, why, metrics = nightly("two labels", "not-worse")
    assert not won and on_page("version … of … is not the champion: its training rows").search(why)
    assert on_page("version … of … is not the champion: … it passes").search(why)
    assert "do not tell 35 labels" in why and "it is worse" in why
    assert metrics["champion_lead"] < 0


def test_a_champion_that_cannot_be_asked(nightly, data, name):
    """It may have learned from the test statements, or its files are gone."""
    X_test, _, pipelines = data
    assert nightly("poor")[0]
    mlflow.MlflowClient().delete_model_version_tag(name, "1", "split")
    won, why, _ = nightly("good")
    assert not won and "it may have been trained on the test" in why
    assert on_page("version … of … is not the champion: the champion cannot").search(why)
    with mlflow.start_run():
        logged = helpers.log_model(pipelines["poor"], helpers.load_labels(), X_test.head(1))
    gone = helpers.register(logged.model_uri, name, 0.5, "a")
    helpers.set_champion(name, gone)
    shutil.rmtree(mlflow.artifacts.download_artifacts(logged.model_uri))
    won, why, metrics = nightly("good")
    assert not won and metrics == {} and "the champion cannot be compared: " in why and "No such" in why


def test_a_version_waits_for_an_earlier_one(data, uris, name):
    """Until that is decided, or its run has ended."""
    X_test, y_test, pipelines = data
    client = mlflow.MlflowClient()
    first, second, third = (
        helpers.register(uris[title], name, 0.5, title) for title in ("good", "fair", "poor")
    )
    with ThreadPoolExecutor() as pool:
        late = pool.submit(helpers.promote, third, name, pipelines["poor"], X_test, y_test)
        assert helpers.promote(first, name, pipelines["good"], X_test, y_test)[0]
        time.sleep(2)
        assert not late.done()
        run_id = client.get_model_version(name, str(second)).run_id
        client.update_run(run_id, "KILLED")
        won, why, metrics = late.result(timeout=60)
        client.update_run(run_id, "RUNNING")
    assert not won and metrics["champion_lead"] < 0 and str(helpers.champion(name)) == str(first)


def at_once(name, title, uri, data, barriers, queue):
    """Register and decide; in the first of the two cases both are registered before either is decided."""
    X_test, y_test, pipelines = data
    helpers.connect()
    f1_micro = helpers.score(y_test, pipelines[title].predict(X_test))["f1_micro"]
    for k in range(TRIES):
        barriers[0].wait()
        version = helpers.register(uri, f"{name} {k}", f1_micro, "a")
        barriers[1].wait()
        won, why, _ = helpers.promote(version, f"{name} {k}", pipelines[title], X_test, y_test)
        queue.put((k, title, version, won, why))


def check_two_at_once(data, uris, name):
    """The better one becomes champion, and only it is told so."""
    for k in range(TRIES):
        helpers.prepare_registration(f"{name} {k}", helpers.load_labels())
    context = multiprocessing.get_context("spawn")
    barriers, queue = [context.Barrier(2), context.Barrier(2)], context.Queue()
    processes = [
        context.Process(target=at_once, args=(name, title, uris[title], data, barriers, queue))
        for title in ("good", "fair")
    ]
    for process in processes:
        process.start()
    told = [queue.get(timeout=300) for _ in range(2 * TRIES)]
    for process in processes:
        process.join()
    for k, title, version, won, why in told:
        assert won == (title == "good"), why
        assert (str(helpers.champion(f"{name} {k}")) == str(version)) == won
    assert np.unique([k for k, *_ in told]).size == TRIES


def test_two_at_once(data, uris, name):
    check_two_at_once(data, uris, name)
