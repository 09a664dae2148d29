"""From pairs to X and y, and to sides and folds that keep near-twins together."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from onet_gwa import SEED
from onet_gwa_model import WORD


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
    """
    statements = pd.Series(statements)
    if (statements.str.count(r"\w+") < 3).all():
        return np.arange(len(statements))
    shingles = CountVectorizer(ngram_range=(3, 3), token_pattern=r"\w+", binary=True)
    shingles = shingles.fit_transform(statements)
    size = np.asarray(shingles.sum(axis=1)).ravel()
    common = (shingles @ shingles.T).tocoo()
    twins = common.data >= 0.5 * (size[common.row] + size[common.col] - common.data)
    graph = coo_array((common.data[twins], (common.row[twins], common.col[twins])), shape=common.shape)
    return connected_components(graph, directed=False)[1]


def split(X, y, seed=SEED):
    """Return (X_train, X_test, y_train, y_test, groups): a fifth of the families of near-twins is for testing.

    Near-twins stay on one side; `groups`, of shape (n_train,), numbers them in the training rows, for
    `folds`. Raises ValueError for fewer than 100 statements, for fewer than 10 families of near-twins, and
    for statements without words.
    """
    if len(X) < 100:
        raise ValueError(f"data: {len(X)} statements are too few to train and test on; give at least 100")
    if not X["Task"].str.contains(WORD).any():
        raise ValueError(f"data: none of the {len(X)} statements has a word of two letters or more")
    groups = near_twins(X["Task"])
    if len(set(groups)) < 10:
        raise ValueError(f"data: nearly all of the {len(X)} statements are near-twins of each other")
    sides = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
    train, test = next(sides.split(X, groups=groups))
    return X.iloc[train], X.iloc[test], y.iloc[train], y.iloc[test], groups[train]


def folds(groups, n_further=0):
    """Return three folds as a list of pairs of index arrays (train, test), as scikit-learn's `cv=` takes them.

    Near-twins, which have the same number in `groups` (n,), are in the same fold. `n_further` rows that come
    after these n are in the training side of each fold, and in no test side.
    """
    kfold = GroupKFold(n_splits=3, shuffle=True, random_state=SEED)
    further = np.arange(len(groups), len(groups) + n_further)
    return [(np.concatenate([train, further]), test) for train, test in kfold.split(groups, groups=groups)]
