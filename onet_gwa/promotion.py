"""Whether a version of a registered model becomes the champion, and why."""

import shlex
import time

import numpy as np
from sklearn.preprocessing import MultiLabelBinarizer

from onet_gwa.registry import MODEL_NAME, SPLIT, ask, champion, set_champion
from onet_gwa.scores import bootstrap_interval, check_behavior, score
from onet_gwa.tables import shorten

# So long may a version be undecided before the others go on without it.
WAIT_SECONDS = 300
# The codes that it gives to each text, those that some of its training rows had and others had not, and how many checks
# of behavior it passes.
ASK = """
import json, sys
import mlflow, numpy, pandas
from onet_gwa.scores import check_behavior
pipeline = mlflow.pyfunc.load_model(sys.argv[1]).get_raw_model()
named = pipeline.predict(pandas.DataFrame({"Task": json.load(sys.stdin)})) > 0
answer = {
    "named": [pipeline.classes_[row].tolist() for row in named],
    "learned": pipeline.classes_[numpy.isfinite(pipeline["classifier"].intercept_)].tolist(),
    "passed": int(check_behavior(pipeline)["passed"].sum()),
}
print(json.dumps(answer))
"""


def promote(version, name, model, X_test, y_test, rule="better", least=0.0):
    """Decide whether a version that was just registered becomes champion; return (whether, why, metrics).

    `model` is its pipeline. The present champion answers X_test (n, 1), too, and both are scored on y_test
    (n, n_labels), on which neither was trained: `metrics` has the champion's micro-F1, the newcomer's lead and the
    lead's 95 % interval (paired bootstrap, see `bootstrap_interval`), and is empty where nothing can be compared.

    By the rule "better" the lead must be above 0; by "not-worse" its interval must not lie below 0; by "never" the
    champion stays. By each, the newcomer needs a micro-F1 of `least`, the labels that the champion has learned
    (those of y_test where there is none), and as many passed checks. Versions are decided in the order of their
    numbers, and one is not promoted when a better one of the same data is waiting. `why` is a sentence, and
    becomes a tag of the version.
    """
    from mlflow import MlflowClient

    client, version = MlflowClient(), int(version)
    while any(int(other.version) < version for other in _undecided(client, name)):
        time.sleep(0.5)
    present, y_pred = champion(name), model.predict(X_test)
    newcomer = {
        "f1_micro": score(y_test, y_pred)["f1_micro"],
        "learned": model.classes_[np.isfinite(model["classifier"].intercept_)].tolist(),
        "passed": int(check_behavior(model)["passed"].sum()),
    }
    incumbent = _incumbent(client, name, present, X_test, y_test)
    metrics = {}
    if "named" in incumbent:
        theirs = MultiLabelBinarizer(classes=list(y_test.columns)).fit_transform(incumbent["named"])
        f1_micro = score(y_test, theirs)["f1_micro"]
        low, high = bootstrap_interval(y_test, y_pred, theirs)
        metrics = {"champion_f1_micro": f1_micro, "champion_lead": newcomer["f1_micro"] - f1_micro}
        metrics |= {"champion_lead_low": low, "champion_lead_high": high}
    obstacles = [
        *_obstacles(newcomer, incumbent, metrics, rule, least),
        *_better_ones(client, name, version, newcomer["f1_micro"]),
    ]
    why = _sentence(name, version, present, obstacles, newcomer, metrics, len(X_test))
    if not obstacles:
        set_champion(name, version)
    client.set_model_version_tag(name, str(version), "decision", why)
    return not obstacles, why, metrics


def _undecided(client, name):
    """Return the versions that were registered lately, by jobs that still run, and wait for their decision."""
    since = 1000 * (time.time() - WAIT_SECONDS)
    versions = [
        version
        for version in client.search_model_versions(f"name='{name}'")
        if version.creation_timestamp > since and "split" in version.tags and "decision" not in version.tags
    ]
    return [version for version in versions if client.get_run(version.run_id).info.status == "RUNNING"]


def _incumbent(client, name, present, X_test, y_test):
    """Return what the champion says (see `ASK`), or what is asked of a model where there is none, or it is silent."""
    unknown = {"learned": list(y_test.columns), "passed": 0}
    if present is None:
        return unknown
    if client.get_model_version(name, present).tags.get("split") != SPLIT:
        return unknown | {"silent": "it may have been trained on the test statements"}
    try:
        return ask(ASK, f"models:/{name}/{present}", X_test["Task"])
    except ChildProcessError as error:
        return unknown | {"silent": str(error)}


def _obstacles(newcomer, incumbent, metrics, rule, least):
    """Yield what keeps a newcomer from becoming the champion."""
    if rule == "never":
        yield "promote is 'never'"
    if newcomer["f1_micro"] < least:
        yield f"its micro-F1, {newcomer['f1_micro']:.3f}, is below the gate, {least:.3f}"
    lacking = sorted(set(incumbent["learned"]) - set(newcomer["learned"]))
    if lacking:
        yield f"its training rows do not tell {len(lacking)} labels, such as {shorten(lacking[0], 60)}"
    if newcomer["passed"] < incumbent["passed"]:
        yield f"it passes {newcomer['passed']} checks of behavior, and the champion {incumbent['passed']}"
    if "silent" in incumbent:
        yield f"the champion cannot be compared: {incumbent['silent']}"
    if metrics and rule == "not-worse" and metrics["champion_lead_high"] < 0:
        yield "it is worse"
    if metrics and rule == "better" and metrics["champion_lead"] <= 0:
        yield "it is no better"


def _better_ones(client, name, version, f1_micro):
    """Yield the better versions of the same data that wait for their decision."""
    mine = client.get_model_version(name, str(version)).tags["data_digest"]
    for other in _undecided(client, name):
        tags = other.tags
        if tags["data_digest"] == mine and float(tags["f1_micro"]) > f1_micro and tags["promote"] != "never":
            yield f"version {other.version}, which was registered meanwhile, is better"


def _sentence(name, version, present, obstacles, newcomer, metrics, n):
    """Return the decision in a sentence, which says what to type for another one."""
    model = "" if name == MODEL_NAME else f" MODEL={shlex.quote(name)}"
    scores = "there was none"
    if metrics:
        theirs, _, low, high = metrics.values()
        scores = (
            f"micro-F1 {newcomer['f1_micro']:.3f}, that of version {present} {theirs:.3f} on the same {n} statements, "
            f"95 % interval of the lead {low:.3f} to {high:.3f}"
        )
    if obstacles:
        reasons = "; ".join([*obstacles, scores] if metrics else obstacles)
        other = f"make promote VERSION={version}{model} makes it that"
        return f"version {version} of {name} is not the champion: {reasons} ({other})"
    other = f" (make rollback{model} makes version {present} the champion again)" if present else ""
    return f"version {version} of {name} became the champion: {scores}{other}"
