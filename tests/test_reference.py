"""The reference: found by the run of a version, held to its digest, and answered by what was not trained on."""

import shutil

import mlflow
import numpy as np
import pytest
from messages import on_page
from watched import NAME, register, watched, write_log  # noqa: F401

import helpers
from onet_gwa.reference import model_labels

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(helpers.SEED)


def test_the_model_is_asked_about_the_test_side(watched):  # noqa: F811
    reference, answers = watched
    assert helpers.is_for_testing(answers["Task"]).all() and len(answers) == len(reference.rows) == 531
    assert (helpers.counted(answers, reference) == reference.rows).all()
    pipeline = mlflow.pyfunc.load_model(f"models:/{NAME}").get_raw_model()
    assert reference.known == helpers.known_words(pipeline) and reference.threshold == 0.5
    X_train = helpers.split(*helpers.to_X_y(helpers.load_tasks("sample"), reference.labels))[0]
    unknown = [helpers.measure(text, reference.known)[1] for text in X_train["Task"]]
    assert sum(unknown) == 0 and reference.rows[:, helpers.places(reference)["unknown"]].sum() > 300


def test_industries_are_learned_from_the_training_side(watched):  # noqa: F811
    reference, answers = watched
    soc = helpers.load_tasks("sample").drop_duplicates("Task").set_index("Task")["SOC"]
    right = (reference.industries.predict(answers["Task"]) == answers["Task"].map(soc)).mean()
    assert 0.4 < right < 0.7
    tasks = helpers.load_tasks("sample")
    assert helpers.tell_industries(tasks.drop(columns="SOC")) is None
    assert helpers.tell_industries(tasks.assign(SOC="")) is None


def test_data_that_are_gone_or_have_changed(watched, tmp_path):  # noqa: F811
    labels, path = helpers.load_labels(), tmp_path / "tasks.csv"
    lines = helpers.source_path("sample").read_text().splitlines()
    path.write_text("\n".join(lines[:-9]) + "\n")
    name = f"onet-gwa/{register(str(path))}"
    assert helpers.digest(helpers.training_data(name, labels)) == helpers.digest(helpers.load_tasks(path))
    path.write_text("\n".join(lines[:-10]) + "\n")
    with pytest.raises(ValueError, match=r"has the digest \w+, and") as error:
        helpers.training_data(name, labels)
    assert on_page("reference: the training data of").search(str(error.value))
    path.unlink()
    with pytest.raises(ValueError, match="are gone: data: .* does not exist"):
        helpers.training_data(name, labels)


def test_data_that_are_elsewhere(watched, tmp_path):  # noqa: F811
    """Of runs with the same data MLflow keeps the source of the first, which will do where the second's is gone."""
    labels, path = helpers.load_labels(), tmp_path / "tasks.csv"
    shutil.copy(helpers.source_path("sample"), path)
    name = f"onet-gwa/{register(str(path))}"
    assert helpers.digest(helpers.training_data(name, labels)) == helpers.digest(helpers.load_tasks(path))
    path.unlink()
    assert len(helpers.training_data(name, labels)) == len(helpers.load_tasks("sample"))


def test_data_called_like_what_comes_with_the_project(watched, tmp_path, monkeypatch):  # noqa: F811
    labels = helpers.load_labels()
    lines = helpers.source_path("sample").read_text().splitlines()
    (tmp_path / "sample:mine.csv").write_text("\n".join(lines[:-8]) + "\n")
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        name = f"onet-gwa/{register('sample:mine.csv')}"
    assert len(helpers.training_data(name, labels)) == len(lines) - 9


def test_a_version_that_does_not_say(watched):  # noqa: F811
    client = mlflow.MlflowClient()
    version = client.get_model_version("onet-gwa", "1")
    other = client.create_model_version(
        "onet-gwa", version.source, model_id=version.source.rpartition("/")[2]
    )
    with pytest.raises(ValueError, match="does not say what it was trained on; give them as reference"):
        helpers.training_data(f"onet-gwa/{other.version}", helpers.load_labels())


@pytest.mark.parametrize("name", ["onet-gwa/99", "nobody/1", "m-0123", "onet-gwa/x", ""])
def test_no_version(watched, name):  # noqa: F811
    with pytest.raises(ValueError, match="is no version that can be asked") as error:
        model_labels(name)
    assert "\n" not in str(error.value)


def test_the_labels_are_the_version_s(watched):  # noqa: F811
    assert model_labels(NAME)["name"].equals(helpers.load_labels()["name"])


def test_weeks_of_the_sample(watched, tmp_path):  # noqa: F811
    """The reach on the sample: its own weeks do not ring, and industries with many statements are found."""
    reference, rows = watched
    files = sorted(write_log(tmp_path / "log", rows, weeks=40, n=500).iterdir())
    sums, aside = helpers.count_weeks(files, "onet-gwa/1", reference)
    assert +aside == {} and len(sums) == 40
    assert (helpers.judge(sums, reference)["passed"] > 0).mean() <= 0.05
    limits = helpers.limits(reference, 500)
    industries = rows["Task"].map(
        helpers.load_tasks("sample").drop_duplicates("Task").set_index("Task")["SOC"]
    )
    for code in ("51-0000", "53-0000", "47-0000"):
        found, its = 0, np.flatnonzero(industries == code)
        for _ in range(20):
            weeks = [np.append(RNG.integers(len(rows), size=425), RNG.choice(its, 75)) for _ in range(2)]
            sums = np.stack([reference.rows[week].sum(axis=0) for week in weeks])
            found += (helpers.statistics(sums, reference) > limits).any()
        assert found >= 18, code
