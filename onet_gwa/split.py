"""From pairs to X and y, and to sides and folds that keep near-twins together."""

from zlib import crc32

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GroupKFold

from onet_gwa import SEED
from onet_gwa.tables import shorten

PAIRS = 2**25


def to_X_y(tasks, labels):
    """Return (X, y) of a table of (Task, GWA) pairs, a row a statement, sorted by statement.

    X is a DataFrame of shape (n, 1) with the column Task; y is a DataFrame of shape (n, n_labels) of 0 and 1,
    a column a label in the order of `labels`, which is what `load_labels` returns.
    """
    y = pd.crosstab(tasks["Task"], tasks["GWA"]).clip(upper=1)
    y = y.reindex(columns=labels.index, fill_value=0).astype(int)
    return pd.DataFrame({"Task": y.index.astype("str")}), y.reset_index(drop=True)


def near_twins(statements):
    """Return an integer array (n,): near-twins have the same number, be it directly or by a chain.

    Two statements are near-twins when the Jaccard index of their sets of three-word sequences is at
    least 0.5 (shingling: A. Broder, "On the resemblance and containment of documents", 1997).

    Time and memory grow as the words do. For a sequence leads from each statement that has it only to the
    shortest of these: to as many as make PAIRS pairs in all, and to 20 at least. A phrase that all share loses
    nothing by that, since whoever is a near-twin by it is one of the shortest, too. Near-twins can be missed
    where as many shorter statements, which are none of theirs, have each of the sequences that they share.
    """
    statements = pd.Series(statements)
    if (statements.str.count(r"\w+") < 3).all():
        return np.arange(len(statements))
    shingles = CountVectorizer(ngram_range=(3, 3), token_pattern=r"\w+", binary=True, dtype=np.int32)
    shingles = shingles.fit_transform(statements)
    size = np.asarray(shingles.sum(axis=1)).ravel()
    order = np.argsort(size, kind="stable")
    size, having = size[order], shingles[order].tocsc()
    having = having[:, np.diff(having.indptr) > 1]
    shingles, count = having.tocsr(), np.diff(having.indptr)
    most = max(20, PAIRS // max(1, having.nnz))
    untold = shingles @ (count > most)
    having.data = (np.arange(having.nnz) - np.repeat(having.indptr[:-1], count) < most).astype(np.int32)
    having.eliminate_zeros()
    common = (shingles @ having.T).tocoo()
    a, b = common.row, common.col
    possible = (a > b) & (3 * (common.data + np.minimum(untold[a], untold[b])) >= size[a] + size[b])
    a, b = a[possible], b[possible]
    twins = np.zeros(len(a), bool)
    # A million sequences at a time.
    for part in np.array_split(np.arange(len(a)), 1 + size[a].sum() // 2**20):
        common = shingles[a[part]].multiply(shingles[b[part]]).sum(axis=1)
        twins[part] = 3 * np.asarray(common).ravel() >= size[a[part]] + size[b[part]]
    graph = coo_array((twins[twins], (order[a[twins]], order[b[twins]])), shape=(len(size), len(size)))
    return connected_components(graph, directed=False)[1]


def is_for_testing(statements):
    """Return a boolean array (n,): a fifth of all statements, and always the same ones, are for testing.

    A statement's CRC-32 decides, and so nothing else in the file: what is a test statement in one file is one in
    each later file, and no model of this project has been trained on it, unless a title of a DWA is the same
    (A. Géron, Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow, 2019, chapter 2).
    """
    return np.array([crc32(statement.encode()) < 2**32 / 5 for statement in statements], dtype=bool)


def split(X, y):
    """Return (X_train, X_test, y_train, y_test, groups): the statements of `is_for_testing` are for testing.

    Of these, near-twins of a statement to train on are on no side: they would be too easy. (Of the tasks of 2020 that
    we have, these are 74 of 3,073, as tests/test_split.py counts.) `groups`, of shape
    (n_train,), numbers the families of near-twins in the training rows, for `folds`. Raises ValueError for fewer
    than 100 statements, for a family of more than a fifth of them, for fewer than 10 families, for sides and folds
    that are too small for it, and where fewer than 10 statements have other labels than the rest, or each family
    has labels of its own.
    """
    if len(X) < 100:
        raise ValueError(f"data: {len(X)} statements are too few to train and test on; give at least 100")
    groups = near_twins(X["Task"])
    sizes = np.bincount(groups)
    family = X["Task"][groups == sizes.argmax()]
    like = " and ".join(shorten(repr(task), 100) for task in family.iloc[[0, -1]])
    mend = "keep a few of each such family, or give more statements that differ in their words"
    if sizes.max() > len(X) / 5:
        raise ValueError(
            f"data: {sizes.max()} of the {len(X)} statements are near-twins, such as {like}, and at most a fifth "
            f"may be; {mend}"
        )
    if len(sizes) < 10:
        raise ValueError(
            f"data: the {len(X)} statements are {len(sizes)} families of near-twins, such as {like}, and at least "
            f"10 are needed; {mend}"
        )
    testing = is_for_testing(X["Task"])
    train, test = np.flatnonzero(~testing), np.flatnonzero(testing & ~np.isin(groups, groups[~testing]))
    cv = folds(groups[train])
    least = min(len(test), *(len(unseen) for _, unseen in cv))
    if least < len(X) / 20:
        raise ValueError(
            f"data: families of near-twins, such as {like}, are so large that of the {len(X)} statements "
            f"{len(train)} would be for training, {len(test)} without a near-twin among these for testing, and "
            f"{least} in the smallest part; {mend}"
        )
    _need_differences(y, train, cv)
    return X.iloc[train], X.iloc[test], y.iloc[train], y.iloc[test], groups[train]


def _need_differences(y, train, cv):
    """Raise ValueError for labels that nearly all have, and for labels that no fold can learn and another test."""
    usual = y.mean() > 0.5
    others = (y != usual).any(axis=1).sum()
    if others < 10:
        codes = shorten(", ".join(y.columns[usual]), 100)
        raise ValueError(
            f"data: {len(y) - others} of the {len(y)} statements have the same labels, {codes}; give at least 10 "
            "statements with others"
        )
    Y, answers = y.to_numpy()[train], set()
    for learned, unseen in cv:
        varies = Y[learned].min(axis=0) != Y[learned].max(axis=0)
        answers |= set(np.unique(Y[unseen][:, varies]))
    if len(answers) < 2:
        raise ValueError(
            f"data: no label of the {len(y)} statements can be both learned and tested, since each label has its "
            "own family of near-twins; give statements of a label that differ in their words"
        )


def folds(groups, n_further=0):
    """Return three folds as a list of pairs of index arrays (train, test), as scikit-learn's `cv=` takes them.

    Near-twins, which have the same number in `groups` (n,), are in the same fold. `n_further` rows that come
    after these n are in the training side of each fold, and in no test side.
    """
    kfold = GroupKFold(n_splits=3, shuffle=True, random_state=SEED)
    further = np.arange(len(groups), len(groups) + n_further)
    return [(np.concatenate([train, further]), test) for train, test in kfold.split(groups, groups=groups)]
