"""What travels with the model: how a statement becomes terms, terms become labels, and labels an answer.

MLflow puts this file beside the model and imports it where the model is loaded. So it imports nothing else of
the project, and has a name that no other project has. skops refuses to rebuild what is not in `TRUSTED_TYPES`.
"""

import re
import sys
import zipfile
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.sparse import issparse
from scipy.special import expit, log_expit
from sklearn.base import clone
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import is_multilabel
from sklearn.utils.validation import check_is_fitted, validate_data

WORD = r"\w\w+"
LETTERS = r"[^\W\d_²³¹¼-¾⁰-₉⅐-↉①-⓿❶-➓]{2}"  # What a sentence has: digits and underscores are no words.
SOURCE = Path(__file__).read_bytes()
TRUSTED_TYPES = ["onet_gwa_model.AtLeastOneLabelClassifier", "onet_gwa_model.terms"]


def terms_and_words(statement):
    """Yield the terms that the model counts in a statement, as pairs (term, the term's words).

    The terms are the words; the first five letters of each longer word, that is, of more than three, since
    they are the same in "assembles" and "assembly"; pairs of neighbors, shortened in the same way; the first
    word, which is the verb, with each longer one and by itself with a mark; and the first five words once more
    with another, because what a statement opens with says more about the activity than the rest.
    """
    words = re.findall(WORD, statement)
    for position, (before, word) in enumerate(zip([None, *words], words)):
        low, short, verb = word.lower(), word.lower()[:5], words[0].lower()
        yield low, (word,)
        if position < 5:
            yield f"^{low}", (word,)
        pair = f"^^{low}" if before is None else f"{before[:5].lower()} {short}"
        yield pair, (word,) if before is None else (before, word)
        if len(word) > 3:
            yield f"{short}*", (word,)
            yield f"{verb} + {short}", (words[0], word)


def terms(statement):
    """Return what the model counts in a statement, a list of texts: the terms of `terms_and_words`."""
    return [term for term, _ in terms_and_words(statement)]


def at_least_one(probability, threshold=0.5):
    """Return 0 and 1 in the shape (n, n_labels) of `probability`: 1 from `threshold` on, and for each row's largest."""
    largest = probability.argmax(axis=1)[:, np.newaxis] == np.arange(probability.shape[1])
    return ((probability >= threshold) | largest).astype(int)


class AtLeastOneLabelClassifier(OneVsRestClassifier):
    """scikit-learn's `OneVsRestClassifier` of a linear estimator, which gives each row at least one label.

    With y (n, n_labels) of 0 and 1, an array, sparse or a DataFrame, `predict` names the labels with a probability
    of `threshold` or more, or else the most probable one. The probability is the logistic function of the decision
    function, bent by `curve`: a slope below even odds, one above, and an offset. A label that all rows or none have
    gets zeros in `coef_` (n_labels, n_features) and plus or minus infinity in `intercept_`. Other y are for its parent.
    """

    def __init__(self, estimator, *, n_jobs=None, verbose=0, threshold=0.5, curve=(1.0, 1.0, 0.0)):
        super().__init__(estimator, n_jobs=n_jobs, verbose=verbose)
        self.threshold, self.curve = threshold, curve

    def fit(self, X, y):
        vars(self).pop("coef_", None)
        if not is_multilabel(y):
            return super().fit(X, y)
        X, Y = validate_data(self, X, y, accept_sparse="csr", multi_output=True)
        X, Y = X.sorted_indices() if issparse(X) else X, Y.toarray() if issparse(Y) else Y
        varies, self.intercept_ = Y.min(axis=0) != Y.max(axis=0), np.where(Y[0] > 0, np.inf, -np.inf)
        # float32, by columns: a prediction reads the rows of the transpose, and need not copy them.
        coef = np.zeros((Y.shape[1], X.shape[1]), np.float32, order="F")
        if varies.any():
            for k, estimator in zip(np.flatnonzero(varies), super().fit(X, Y[:, varies]).estimators_):
                coef[k], self.intercept_[k] = estimator.coef_, estimator.intercept_[0]
        vars(self).pop("estimators_", None)
        self.coef_, self.classes_ = coef, np.array(getattr(y, "columns", range(Y.shape[1])))
        self.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(Y)
        return self

    def decision_function(self, X):
        """Return an array (n, n_labels): the log-odds of each label, by themselves and not yet calibrated."""
        if not hasattr(self, "coef_"):
            return super().decision_function(X)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        return X @ self.coef_.T + self.intercept_

    def predict_proba(self, X):
        """Return an array (n, n_labels): the calibrated probability of each label, each by itself."""
        if not hasattr(self, "coef_"):
            return super().predict_proba(X)
        decision, (below, above, offset) = self.decision_function(X), self.curve
        return expit(below * log_expit(decision) - above * log_expit(-decision) + offset)

    def predict(self, X):
        if not hasattr(self, "coef_"):
            return super().predict(X)
        return at_least_one(self.predict_proba(X), self.threshold)


def contributions(pipeline, statement, codes):
    """Return what each term of a statement adds to the log-odds of labels: a DataFrame (n_terms, n_codes).

    Terms that the model has never seen are left out. Together with a label's intercept, a column sums up to the
    pipeline's decision function for the statement. Raises ValueError for a code that is not one of its labels.
    """
    weights = pipeline[:-1].transform(pd.DataFrame({"Task": [statement]})).toarray()[0]
    vocabulary = pipeline["counts"].named_transformers_["terms"].vocabulary_
    known = [term for term in dict.fromkeys(terms(statement)) if term in vocabulary]
    columns = [vocabulary[term] for term in known]
    if unknown := [code for code in codes if code not in pipeline.classes_]:
        raise ValueError(f"codes: {unknown} are not among the model's labels, {pipeline.classes_.tolist()}")
    rows = [list(pipeline.classes_).index(code) for code in codes]
    votes = pipeline["classifier"].coef_[np.ix_(rows, columns)] * weights[columns]
    return pd.DataFrame(votes.T, index=known, columns=codes)


def reasons(pipeline, statement, codes, most=3):
    """Return for each code the words of the statement that spoke most for it: a list of lists of at most `most`.

    What a term adds to the log-odds is shared by its words. A word with less than a third of what the first
    one has is left out, and one that is there twice is one word, as it was written first.
    """
    words_of, said = dict(terms_and_words(statement)), []
    written = {word.lower(): word for word in reversed(re.findall(WORD, statement))}
    for _, terms_votes in contributions(pipeline, statement, codes).items():
        votes = {}
        for term, vote in terms_votes.items():
            for word in words_of.get(term, ()):
                votes[word.lower()] = votes.get(word.lower(), 0) + vote / len(words_of[term])
        best = sorted(votes, key=votes.get, reverse=True)[:most]
        said.append([written[word] for word in best if votes[word] > max(0, votes[best[0]] / 3)])
    return said


def label(names, classes, probability, threshold=0.5):
    """Return what probabilities say, for people: a DataFrame with a row a task, most probable label first.

    `names` maps codes to names; `classes` (n_labels,) and `probability` (n, n_labels) are the model's. The
    columns GWA (the codes), name and probability (four decimals) each hold lists of the same length.
    """
    chosen = at_least_one(probability, threshold)
    orders = [[k for k in np.argsort(-row, kind="stable") if on[k]] for row, on in zip(probability, chosen)]
    codes = [[str(classes[k]) for k in order] for order in orders]
    said = [[str(names[classes[k]]) for k in order] for order in orders]
    rounded = [[round(float(row[k]), 4) for k in order] for row, order in zip(probability, orders)]
    return pd.DataFrame({"GWA": codes, "name": said, "probability": rounded})


def good_rows(X, skip_bad=False):
    """Return which rows have a sentence, bools (n,); raise MlflowException, which servers answer with status 400."""
    from mlflow.exceptions import MlflowException

    refusal = MlflowException.invalid_parameter_value
    if "Task" not in getattr(X, "columns", ()):
        raise refusal(f"X: {type(X).__name__} without a column Task; give a DataFrame with one")
    texts = list(X["Task"])
    # Of what stands before a comma too many in CSV pandas makes an index; after the comma there is a blank.
    cut = X.index.dtype.kind in "Ob" or all(str(text)[:1].isspace() for text in texts)
    if len(X) and cut and set(X.index.names) == {None} and not isinstance(X.index, pd.RangeIndex):
        hint = "in CSV quote a sentence with a comma, else leave the index out"
        raise refusal(f"row 1: {str(X.index[0])!r:.60} is before Task; {hint}")
    good = np.array([isinstance(text, str) and bool(re.search(LETTERS, text)) for text in texts], bool)
    if bad := [] if skip_bad else np.flatnonzero(~good).tolist():
        said = [f"row {n + 1}: Task {texts[n]!r:.60} is not a text with words in it" for n in bad[:10]]
        said += [f"and {len(bad) - 10} more rows"] * (len(bad) > 10)
        raise refusal("; ".join([*said, "send a sentence in each row"]))
    return good


class Labeler:
    """What is served: `predict` takes a DataFrame (n, 1) with a Task column and returns `label`'s n rows.

    A column `model` names itself; with the parameter `reasons` one more has, for each label, the words that spoke most
    for it. `good_rows` refuses others; with `skip_bad` they get None. Raises ValueError for a pipeline of other labels.
    """

    def __init__(self, pipeline, names, model=""):
        check_is_fitted(pipeline)
        if not hasattr(pipeline["classifier"], "coef_") or set(pipeline.classes_) - set(names.keys()):
            raise ValueError(f"pipeline: fitted to {pipeline.classes_[:3].tolist()} …; use the y of `to_X_y`")
        self.pipeline, self.names, self.model = pipeline, dict(names), model

    def predict(self, X, params=None):
        good, classifier = good_rows(X, params and params.get("skip_bad")), self.pipeline["classifier"]
        X = X[good]
        # scikit-learn refuses a table without rows.
        probability = self.pipeline.predict_proba(X) if len(X) else np.empty((0, len(classifier.classes_)))
        answer = label(self.names, classifier.classes_, probability, classifier.threshold)
        if params and params.get("reasons"):
            answer["reasons"] = [reasons(self.pipeline, *row) for row in zip(X["Task"], answer["GWA"])]
        if not good.all():
            answer = answer.set_axis(np.flatnonzero(good)).reindex(range(len(good))).astype(object)
            answer = answer.where(answer.notna(), None)  # JSON has no NaN.
        answer.insert(3, "model", self.model)
        return answer

    def get_raw_model(self):
        """Return the pipeline; `mlflow.pyfunc.load_model(…).get_raw_model()` calls this."""
        return self.pipeline


def save(pipeline, labels, folder):
    """Write a fitted pipeline and the table of its labels (see `load_labels`) into the new `folder`.

    The vectorizer in it is given its vocabulary as an array: a large dict takes skops seconds, an array a tenth of one.
    """
    import skops.io

    Path(folder).mkdir()
    counts = copy(pipeline["counts"])
    [(name, vectorizer, column)] = counts.transformers_
    vocabulary = vectorizer.get_feature_names_out().astype(str)
    counts.transformers_ = [(name, clone(vectorizer).set_params(vocabulary=vocabulary), column)]
    written = Pipeline([("counts", counts), *pipeline.steps[1:]])
    skops.io.dump(written, f"{folder}/pipeline.skops", compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    labels.to_csv(f"{folder}/labels.csv")


def _load_pyfunc(folder):
    """Return to MLflow the `Labeler` of a folder made by `save`; raise ValueError for other code and other types."""
    import skops.io

    root, meta = Path(folder, "../..").resolve(), {}
    if (code := root / "code" / Path(__file__).name).exists() and code.read_bytes() != SOURCE:
        # MLflow has put it there, where a child process would import it.
        sys.path = [path for path in sys.path if Path(path).resolve() != code.parent]
        raise ValueError(f"{code} is not the loaded {__file__}; use a new process (`mlflow models predict`)")
    # MLflow writes the second where it loads a model by the registry's address.
    for file in (root / "MLmodel", root / "registered_model_meta"):
        meta |= yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    name = "{model_name}/{model_version}".format(**meta) if meta.get("model_name") else meta.get("model_id")
    try:
        pipeline = skops.io.load(file := f"{folder}/pipeline.skops", trusted=TRUSTED_TYPES)
    except (skops.io.exceptions.UntrustedTypesFoundException, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} is not ours, and not loaded: {' '.join(str(error).split())}") from error
    labels = pd.read_csv(f"{folder}/labels.csv", index_col="code", dtype=str, keep_default_na=False)
    return Labeler(pipeline, labels["name"], name or "")
