"""What a version's answers are compared with: its answers to the test side of the data that it was trained on.

It was not trained on these (see `split`), and so it is as sure of them as it can be of what it has not seen; of its
training rows it is much surer.
"""

import json
import re
import shlex
import tempfile

import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from onet_gwa import ROOT
from onet_gwa.labels import load_labels
from onet_gwa.registry import ask
from onet_gwa.split import split, to_X_y
from onet_gwa.tables import first_line, shorten
from onet_gwa.tasks import digest, load_tasks
from onet_gwa.watch import refer

ASK = """
import json, sys
import mlflow, pandas
from onet_gwa.answers import known_words
model = mlflow.pyfunc.load_model(sys.argv[1])
pipeline, texts = model.get_raw_model(), json.load(sys.stdin)
answer = model.predict(pandas.DataFrame({"Task": texts}))
said = {key: answer[key].tolist() for key in ("GWA", "probability")}
said = {"answers": said, "threshold": pipeline["classifier"].threshold, "known": sorted(known_words(pipeline))}
print(json.dumps(said))
"""


def model_labels(model):
    """Return the labels of a version such as "onet-gwa/3" (see `load_labels`); raise ValueError where it is none."""
    import mlflow

    try:
        if not model.partition("/")[2].isdecimal():
            raise ValueError("it was not loaded from a registry")
        with tempfile.TemporaryDirectory() as folder:
            uri = f"models:/{model}/data/model/labels.csv"
            return load_labels(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
    except (OSError, ValueError, mlflow.MlflowException) as error:
        said = shorten(first_line(error))
        raise ValueError(
            f"model: {model} is no version that can be asked ({said}); name another with model"
        ) from error


def training_data(model, labels):
    """Return the (Task, GWA) pairs that a version such as "onet-gwa/3" was trained on.

    Raises ValueError where its run does not say which these were, they are gone, or they have changed.
    """
    from mlflow import MlflowClient, MlflowException

    client, (name, _, version) = MlflowClient(), model.rpartition("/")
    mend = "give them as reference, or watch a newer version"
    try:
        version = client.get_model_version(name, version)
        run = client.get_run(version.run_id) if version.run_id else None
    except MlflowException as error:
        raise ValueError(f"reference: the run of {model} is gone: {first_line(error)}; {mend}") from error
    inputs = run.inputs.dataset_inputs if run else []
    if not inputs or "data_digest" not in version.tags:
        raise ValueError(f"reference: the run of {model} does not say what it was trained on; {mend}")
    source = run.data.params.get("data", "")
    if "mlflow.project.entryPoint" in run.data.tags:
        # MLflow has logged it with the quotes that the shell needs.
        source = " ".join(shlex.split(source))
    if not re.fullmatch("sample|onet(:.*)?", source):
        # What was asked for comes first: of runs with the same data MLflow keeps one source, that of the first.
        found = json.loads(inputs[0].dataset.source)["uri"].removeprefix("file://")
        source = ROOT / source if source and (ROOT / source).exists() else found
    try:
        tasks = load_tasks(source, labels)
    except (OSError, ValueError) as error:
        raise ValueError(f"reference: the training data of {model} are gone: {error}; {mend}") from error
    if (found := digest(tasks)) != version.tags["data_digest"]:
        said = f"{source} has the digest {found}, and {model} was trained on {version.tags['data_digest']}"
        raise ValueError(f"reference: the training data of {model} are gone: {said}; {mend}")
    return tasks


def reference(model, labels, tasks):
    """Return the Reference of a version such as "onet-gwa/3": its answers to the test side of (Task, GWA) pairs.

    `labels` is what `load_labels` returns for the model. Raises ValueError as `split` does, and where the model
    cannot be asked.
    """
    X_train, X_test, *_ = split(*to_X_y(tasks, labels))
    try:
        said = ask(ASK, f"models:/{model}", X_test["Task"])
    except ChildProcessError as error:
        raise ValueError(f"model: {model} cannot be asked: {error}; watch another version") from error
    rows = pd.DataFrame(said["answers"] | {"Task": X_test["Task"].to_numpy()})
    industries = tell_industries(tasks[tasks["Task"].isin(X_train["Task"])])
    return refer(rows, labels, said["threshold"], frozenset(said["known"]), industries)


def tell_industries(tasks):
    """Return a pipeline that tells the industry of texts, fitted to the column SOC of `tasks`; None without one.

    (Multinomial naive Bayes: C. Manning and others, Introduction to Information Retrieval, 2008, chapter 13.)
    """
    tasks = tasks[tasks["SOC"] != ""].drop_duplicates("Task") if "SOC" in tasks else tasks[:0]
    if tasks.empty or tasks["SOC"].nunique() < 2:
        return None
    told = make_pipeline(CountVectorizer(stop_words="english"), MultinomialNB(alpha=0.1))
    return told.fit(tasks["Task"], tasks["SOC"])
