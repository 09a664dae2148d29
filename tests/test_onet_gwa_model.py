"""What travels with the model: terms, answers and their reasons, and the file that is saved and loaded."""

import pickle
import zipfile
from collections import Counter
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
import skops.io

import helpers
import onet_gwa_model

SENTENCES = pd.DataFrame(
    {
        "Task": [
            "Drive the snow tractor.",
            "Negotiate fish prices with harbor wholesalers.",
            "Repair a leaking pump.",
        ]
    }
)


@pytest.fixture(scope="module")
def labels():
    return helpers.load_labels()


@pytest.fixture(scope="module")
def model(labels):
    """Fitted to the sample, with a curve and a threshold that are not the defaults."""
    pipeline = helpers.make_model().fit(*helpers.to_X_y(helpers.load_tasks(), labels))
    return pipeline.set_params(classifier__curve=(0.9, 0.8, -0.5), classifier__threshold=0.1)


@pytest.fixture(scope="module")
def loaded(model, labels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    onet_gwa_model.save(model, labels, folder)
    return onet_gwa_model._load_pyfunc(folder)


def test_terms():
    assert Counter(helpers.terms("Wash a big car, then dry it up.")) == Counter(
        ["wash", "big", "car", "then", "dry", "it", "up"]
        + ["wash*", "then*"]
        + ["wash big", "big car", "car then", "then dry", "dry it", "it up"]
        + ["wash + wash", "wash + then"]
        + ["^wash", "^big", "^car", "^then", "^dry", "^^wash"]
    )
    # Words are shortened, but for the verb and the first five.
    assert {"bicycles", "bicyc*", "assem bicyc", "assemble + bicyc", "^bicycles"} < set(
        helpers.terms("Assemble bicycles.")
    )
    assert helpers.terms("") == []


def test_the_words_of_a_term():
    pairs = dict(onet_gwa_model.terms_and_words("Assemble Dutch bicycles."))
    assert list(pairs) == list(dict.fromkeys(helpers.terms("Assemble Dutch bicycles.")))
    assert pairs["^^assemble"] == ("Assemble",) and pairs["dutch*"] == ("Dutch",)
    assert pairs["dutch bicyc"] == ("Dutch", "bicycles")
    assert pairs["assemble + bicyc"] == ("Assemble", "bicycles")


def test_at_least_one():
    probability = np.array([[0.1, 0.2, 0.15], [0.5, 0.7, 0.49], [0.5, 0.1, 0.2], [0.3, 0.3, 0.1]])
    assert helpers.at_least_one(probability).tolist() == [[0, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]]
    assert helpers.at_least_one(probability, 0.15).tolist()[0] == [0, 1, 1]


def test_n_rows_give_n_answers(model):
    answers = model.predict(SENTENCES)
    assert answers.shape == (3, 37) and set(np.unique(answers)) == {0, 1}
    probability = model.predict_proba(SENTENCES)
    assert len({tuple(row) for row in probability.round(6)}) == 3
    assert list(model.classes_[probability.argmax(axis=1)]) == ["4A3a4", "4A4a7", "4A3b4"]


def test_every_task_gets_a_label(model):
    words = ["Zzyzx.", "", "the of and"]
    assert (model.predict(pd.DataFrame({"Task": words})).sum(axis=1) >= 1).all()


@pytest.mark.parametrize("which", ["fitted", "loaded"])
def test_contributions_sum_up_to_the_decision(model, loaded, which):
    pipeline = model if which == "fitted" else loaded.pipeline
    decision = pipeline.decision_function(SENTENCES)
    for row, statement in enumerate(SENTENCES["Task"]):
        for column in range(0, 37, 6):
            code = pipeline.classes_[column]
            votes = helpers.contributions(pipeline, statement, [code])[code]
            total = votes.sum() + pipeline["classifier"].intercept_[column]
            assert total == pytest.approx(decision[row, column], abs=1e-4)
    assert set(votes.index) <= set(helpers.terms(statement))


def test_reasons_are_words_as_written_first(model):
    statement = "DRIVE the Snow-tractor; drive it, again."
    found = helpers.reasons(model, statement, ["4A3a4", "4A1a1"], most=2)
    assert len(found) == 2 and all(len(words) <= 2 for words in found)
    assert found[0][0] == "DRIVE"
    every = {word for words in helpers.reasons(model, statement, model.classes_, 9) for word in words}
    assert every <= {"DRIVE", "the", "Snow", "tractor", "it", "again"} and len(every) > 3


def test_reasons_are_the_words_that_speak_for_it(model):
    """Without the strongest word the label is less probable; what speaks against it is no reason."""
    statement = "Negotiate fish prices with harbor wholesalers."
    [[strongest, *_]] = helpers.reasons(model, statement, ["4A4a7"])
    without = statement.replace(strongest, "")
    column = list(model.classes_).index("4A4a7")
    before, after = model.decision_function(pd.DataFrame({"Task": [statement, without]}))[:, column]
    assert strongest == "Negotiate" and after < before
    assert helpers.reasons(model, "Zzyzx qwrtp.", ["4A4a7"]) == [[]]
    votes = helpers.contributions(model, statement, ["4A3a4"])["4A3a4"]
    assert (votes < 0).any() and len(helpers.reasons(model, statement, ["4A3a4"], 99)[0]) < 6


def test_the_most_probable_label_comes_first():
    names = {"x": "Ex", "y": "Why", "z": "Zed"}
    probability = np.array([[0.6, 0.2, 0.81234], [0.1, 0.3, 0.2]])
    assert helpers.label(names, ["x", "y", "z"], probability).to_dict("records") == [
        {"GWA": ["z", "x"], "name": ["Zed", "Ex"], "probability": [0.8123, 0.6]},
        {"GWA": ["y"], "name": ["Why"], "probability": [0.3]},
    ]
    assert helpers.label(names, ["x", "y", "z"], probability, 0.2)["GWA"].tolist() == [
        list("zxy"),
        ["y", "z"],
    ]


def test_the_answer_of_the_loaded_model(model, loaded, labels):
    X = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)[0].head(200)
    answer = loaded.predict(X)
    assert list(answer.columns) == ["GWA", "name", "probability", "model"] and len(answer) == 200
    predicted, probability = model.predict(X), model.predict_proba(X)
    for k, row in answer.iterrows():
        assert set(row["GWA"]) == set(model.classes_[predicted[k] == 1])
        assert row["name"] == [labels["name"][code] for code in row["GWA"]]
        assert row["probability"] == sorted(row["probability"], reverse=True)
        assert row["probability"][0] == round(float(probability[k].max()), 4)


def test_reasons_are_a_parameter(loaded):
    plain = loaded.predict(SENTENCES)
    assert loaded.predict(SENTENCES, params={"reasons": False}).equals(plain)
    more = loaded.predict(SENTENCES, params={"reasons": True})
    assert list(more.columns) == ["GWA", "name", "probability", "model", "reasons"]
    assert more[plain.columns].equals(plain) and list(map(len, more["reasons"])) == list(
        map(len, more["GWA"])
    )


def test_no_rows(loaded):
    for params in (None, {"reasons": True}):
        answer = loaded.predict(SENTENCES.head(0), params)
        assert list(answer.columns)[:4] == ["GWA", "name", "probability", "model"] and len(answer) == 0


def test_reasons_for_unknown_codes(model):
    for function in (helpers.contributions, helpers.reasons):
        with pytest.raises(
            ValueError, match=r"^codes: \['x', 0\] are not among the model's labels, \['4A1a1', "
        ):
            function(model, "Drive the snow tractor.", ["4A3a4", "x", 0])


class Foreign:
    pass


@pytest.mark.parametrize(
    "content",
    [pickle.dumps(Counter("a pickle")), skops.io.dumps(Foreign()), b""],
    ids=["pickle", "type", "none"],
)
def test_a_replaced_pipeline_is_refused(loaded, labels, model, content, tmp_path):
    """In one line, and without running what is in it."""
    onet_gwa_model.save(model, labels, tmp_path / "model")
    (tmp_path / "model" / "pipeline.skops").write_bytes(content)
    with pytest.raises(ValueError, match="^[^\n]*pipeline.skops is not ours, and not loaded: [^\n]*$"):
        onet_gwa_model._load_pyfunc(str(tmp_path / "model"))


def test_skops_round_trip(model, loaded, tmp_path):
    pipeline, X = loaded.pipeline, helpers.to_X_y(helpers.load_tasks(), helpers.load_labels())[0]
    assert loaded.get_raw_model() is pipeline
    assert np.array_equal(pipeline.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(pipeline.predict(X), model.predict(X))
    # Saving leaves the fitted pipeline as it was.
    vectorizer = model["counts"].named_transformers_["terms"]
    assert isinstance(vectorizer.vocabulary_, dict) and vectorizer.vocabulary is None


def test_the_trusted_types_are_all_and_only_those(model, labels, tmp_path):
    onet_gwa_model.save(model, labels, tmp_path / "model")
    file = tmp_path / "model" / "pipeline.skops"
    asked = skops.io.get_untrusted_types(file=file)
    assert sorted(asked) == sorted(onet_gwa_model.TRUSTED_TYPES) and len(asked) == 2
    with zipfile.ZipFile(file) as archive:
        schema = archive.read("schema.json").decode()
    # An array of 40,000 terms is a member of the archive; in a dict they would be in the schema, one by one.
    assert len(schema) < 100_000 and "snow" not in schema


@pytest.mark.slow
def test_saved_and_loaded_in_a_moment_on_onet(onet, labels, tmp_path):
    """As a dict the vocabulary took 3.9 s to write and 2.8 s to read, on the machine that needs 0.3 s now."""
    tasks = helpers.load_tasks(onet / "onet_2020_task_gwa.parquet", labels)
    X, y = helpers.to_X_y(tasks, labels)
    few = ["4A1a1", "4A3a4", "4A3b4"]
    model = helpers.make_model(C=1.0).fit(X, y[few])
    # The size of all 37 labels, without the time of fitting them.
    classifier = model["classifier"]
    classifier.coef_ = np.asfortranarray(np.resize(classifier.coef_, (37, classifier.coef_.shape[1])))
    classifier.intercept_, classifier.classes_ = np.resize(classifier.intercept_, 37), labels.index.to_numpy()

    def seconds(act):
        """The shorter of two: one may be slow because of something else on the machine."""
        times = []
        for attempt in range(2):
            start = perf_counter()
            act(tmp_path / f"model{attempt}")
            times.append(perf_counter() - start)
        return min(times)

    saving = seconds(lambda folder: onet_gwa_model.save(model, labels, folder))
    loading = seconds(lambda folder: onet_gwa_model._load_pyfunc(folder).predict(SENTENCES))
    assert classifier.coef_.shape[1] > 150_000
    assert saving <= 2 and loading <= 1
