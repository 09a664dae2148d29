"""What the notebooks share, in the order the data flows.

MLflow and other packages that are slow to import, or absent where the model is served, are imported in the
functions that need them.
"""

import contextlib
import gc
import hashlib
import http.client
import io
import logging
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
import zipfile
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.sparse import coo_array, csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    hamming_loss,
    jaccard_score,
    precision_recall_fscore_support,
)
from sklearn.model_selection import GroupKFold, GroupShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

ROOT = Path(__file__).resolve().parent
SEED = 607
WORD = r"\w\w+"
MODEL_NAME = "onet-gwa"
ONET_URL = "https://www.onetcenter.org/dl_files/database"
ONET_RELEASE = "31.0"

# --- parameters ---------------------------------------------------------------------------------


def _items(name, text):
    """Split "1, 10" or "[1, 10]" into ["1", "10"]; ValueError for an empty item."""
    # papermill makes a number of "10".
    text = str(text).strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    items = [item.strip() for item in text.split(",")]
    if "" in items:
        raise ValueError(f"{name}: {text!r} has an empty value; write values with commas between them")
    return items


def _once(name, values):
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"{name}: {twice!r} is given twice; name each value once")
    return values


def parse_C(text):
    """Return the values of C in `text`, such as "1,10", "[1, 10]" or 0.5, as a list of floats.

    Raises ValueError for an empty text or item, for a value that is not a positive, finite decimal
    number, and for a value given twice. The limits are where scikit-learn's solvers still come to an end.
    """
    values = []
    for item in _items("C", text):
        number = re.fullmatch(r"\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", item, re.ASCII | re.IGNORECASE)
        if not number or not 1e-9 <= float(item) <= 1e9:
            raise ValueError(
                f"C: {item!r} is not a positive, finite number between 1e-9 and 1e9; "
                'write for example "1, 10" or "0.5"'
            )
        values.append(float(item))
    return _once("C", values)


def parse_penalty(text):
    """Return the penalties in `text`, such as "none, l2" or "[l2]", as a list of strings.

    Raises ValueError for an empty text or item, for a penalty other than "none" and "l2", and for
    one given twice.
    """
    values = _items("penalty", text)
    for value in values:
        if value not in ("none", "l2"):
            raise ValueError(
                f"penalty: {value!r} is neither 'none' nor 'l2'; write one of them or \"none, l2\""
            )
    return _once("penalty", values)


def parse_grid(C, penalty):
    """Return the values of scikit-learn's `C` that the two texts ask for: a list of floats.

    Since scikit-learn 1.8 `C=np.inf` is the spelling of "no penalty", and any other C means l2. So
    "none" adds one candidate, however many values C has, and "none" alone leaves only that one.
    Raises ValueError as `parse_C` and `parse_penalty` do.
    """
    C, penalty = parse_C(C), parse_penalty(penalty)
    return (C if "l2" in penalty else []) + ([np.inf] if "none" in penalty else [])


# --- tasks --------------------------------------------------------------------------------------


def load_gwas():
    """Return the 37 GWAs by sorted code: a DataFrame with Element ID, Name and Description."""
    return pd.read_csv(ROOT / "data" / "gwas.csv", index_col="GWA").sort_index()


def load_tasks(source="sample"):
    """Return the (Task, GWA) pairs of `source`: a DataFrame of two text columns, sorted, each pair once.

    `source` is one of

    - "sample": the statements written for this project, `data/tasks.csv`;
    - "onet" or "onet:31.0": a release of the O*NET database, downloaded once (see `download_onet`);
    - the path of a CSV or parquet file with the columns Task and GWA, of an O*NET archive (.zip), or of
      a folder with O*NET's text or CSV files. Further columns are left aside.

    White space in statements is reduced to single blanks. Raises ValueError, with the row and the
    reason, for what is not a table of these two columns in UTF-8, for empty statements and for codes
    that are not in `data/gwas.csv`; rows are counted from 1 and the header is not counted. Raises
    FileNotFoundError for a path that does not exist, and what `download_onet` raises.
    """
    path = source_path(source)
    if path.is_dir() or path.suffix.lower() == ".zip":
        table = read_onet(path)
    elif path.suffix.lower() == ".parquet":
        import pyarrow

        try:
            # Text that is not UTF-8 is found when it becomes Python's.
            table = pd.read_parquet(path).astype(object)
        # The reader raises KeyError and ArrowException, too, for a damaged file.
        except (ValueError, OSError, KeyError, pyarrow.ArrowException) as error:
            raise ValueError(f"{path}: not a parquet file ({_first_line(error)})") from error
    elif path.suffix.lower() == ".csv":
        table = _read_table(path.read_bytes(), str(path), ",")
    else:
        raise ValueError(
            f"data: {str(source)!r} ends neither in .csv, .parquet nor .zip, and is not a folder"
        )
    return _validated(table, str(path))


def source_path(source):
    """Return the path of the file or folder that `source` stands for, as `load_tasks` takes it.

    Raises FileNotFoundError where it does not exist, and what `download_onet` raises.
    """
    source = str(source)
    if source == "sample":
        path = ROOT / "data" / "tasks.csv"
    elif source == "onet" or source.startswith("onet:"):
        path = download_onet(source.partition(":")[2] or ONET_RELEASE)
    else:
        path = Path(source)
    # An empty path would be the working directory.
    if not source.strip() or not path.exists():
        raise FileNotFoundError(
            f'data: {source!r} does not exist; give "sample", "onet", "onet:{ONET_RELEASE}", or the path of '
            "a CSV or parquet file, an O*NET archive or a folder of its text files"
        )
    return path


def load_dwa_titles(source="sample"):
    """Return the titles of the detailed work activities (DWAs) of an O*NET release as (Task, GWA) pairs.

    Each title is a short statement that belongs to one GWA: more to train on, for a task of the same
    release or another. `source` is what `load_tasks` takes; a CSV or parquet file and the sample have no
    DWAs, and the table is empty. Raises ValueError and FileNotFoundError as `load_tasks` does.
    """
    path = source_path(source)
    if not (path.is_dir() or path.suffix.lower() == ".zip"):
        return pd.DataFrame({"Task": [], "GWA": []}, dtype="str")
    reference, gwa, dwa = _onet_dwas(path, _onet_files(path))
    title = "DWA Title" if dwa == "DWA ID" else "DWA Element Name"
    name = f"{path}, table of DWAs"
    _need_columns(reference, [gwa, title], name)
    titles = pd.DataFrame({"Task": reference[title], "GWA": reference[gwa].str.replace(".", "")})
    return _validated(titles, name)


def _validated(table, name):
    """Return the sorted, different (Task, GWA) pairs of `table`, or raise ValueError (see `load_tasks`)."""
    _need_columns(table, ["Task", "GWA"], name)
    if table.empty:
        raise ValueError(f"{name}: the table has no rows")
    pairs = table[["Task", "GWA"]].reset_index(drop=True)
    codes = set(load_gwas().index)
    for column in pairs:
        pairs[column] = pairs[column].astype(object)
        text = pairs[column].map(lambda value: isinstance(value, str))
        _refuse(pairs, ~text, name, column, "is not text")
        pairs[column] = pairs[column].str.split().str.join(" ")
        _refuse(pairs, pairs[column] == "", name, column, "is empty")
    lost = pairs["Task"].str.contains("\ufffd")
    _refuse(pairs, lost, name, "Task", "holds a character lost in a wrong encoding")
    _refuse(
        pairs,
        ~pairs["GWA"].isin(codes),
        name,
        "GWA",
        "is not one of the 37 codes, such as 4A3b1, in data/gwas.csv",
    )
    return pairs.astype("str").drop_duplicates().sort_values(["Task", "GWA"], ignore_index=True)


def _refuse(pairs, wrong, name, column, reason):
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        more = f" (and {wrong.sum() - 1} more)" if wrong.sum() > 1 else ""
        value = textwrap.shorten(repr(pairs[column][row]), 300)
        raise ValueError(f"{name}, row {row + 1}: {column} {value} {reason}{more}")


def _need_columns(table, columns, name):
    for column in columns:
        if column not in table.columns:
            found = textwrap.shorten(", ".join(map(repr, table.columns)), 300)
            raise ValueError(f"{name}: there is no column {column!r}; found: {found}")
        if list(table.columns).count(column) > 1:
            raise ValueError(f"{name}: the column {column!r} is there twice; keep one")


def _first_line(error):
    return next(iter(str(error).splitlines()), type(error).__name__)


def _read_table(raw, name, sep):
    """Return a table of texts from UTF-8 bytes; ValueError names the row that cannot be read."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n")
        where = f"row {row}" if row else "the header"
        raise ValueError(
            f"{name}, {where}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error
    try:
        table = pd.read_csv(io.StringIO(text), sep=sep, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise ValueError(f"{name}: not a table of separated columns ({_first_line(error)})") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(
            f"{name}: the rows have more values than the header; quote statements that hold a {sep!r}"
        )
    # pandas gives a repeated name a number.
    header = pd.read_csv(io.StringIO(text), sep=sep, header=None, nrows=1, dtype=str, keep_default_na=False)
    return table.set_axis(header.loc[0].to_list(), axis="columns")


def read_onet(path):
    """Return the (Task, GWA) pairs of an O*NET archive or folder: a DataFrame, each pair once.

    A task has the GWAs of its detailed work activities (DWAs): `Task Statements` is joined with
    `Tasks to DWAs` on the occupation and the task, and that with the table of DWAs, which is called
    `DWA Reference` up to release 30.2 and `GWAs to IWAs to DWAs` from 30.3 on
    (https://www.onetcenter.org/database.html). Text and CSV archives both do.

    Raises ValueError for a damaged archive, a missing file and a missing column.
    """
    path = Path(path)
    files = _onet_files(path)
    statements = _onet_table(path, files, "task_statements")
    links = _onet_table(path, files, "tasks_to_dwas")
    reference, gwa, dwa = _onet_dwas(path, files)
    task = ["O*NET-SOC Code", "Task ID"]
    _need_columns(statements, [*task, "Task"], f"{path}, Task Statements")
    _need_columns(links, [*task, dwa], f"{path}, Tasks to DWAs")
    _need_columns(reference, [gwa, dwa], f"{path}, table of DWAs")
    pairs = (
        links[[*task, dwa]].merge(statements[[*task, "Task"]], on=task).merge(reference[[gwa, dwa]], on=dwa)
    )
    return pd.DataFrame({"Task": pairs["Task"], "GWA": pairs[gwa].str.replace(".", "")}).drop_duplicates()


def _onet_dwas(path, files):
    """Return the table of DWAs of either layout and the names of its columns of GWAs and of DWAs."""
    if "dwa_reference" in files:
        return _onet_table(path, files, "dwa_reference"), "Element ID", "DWA ID"
    return _onet_table(path, files, "gwas_to_iwas_to_dwas"), "GWA Element ID", "DWA Element ID"


def _onet_files(path):
    """Map "task_statements" and so on to (separator, bytes) for the tables in a folder or archive."""
    wanted = {"task_statements", "tasks_to_dwas", "dwa_reference", "gwas_to_iwas_to_dwas"}
    separators = {".txt": "\t", ".csv": ","}

    def key(member):
        member = Path(member)
        stem = member.stem.lower().replace(" ", "_")
        return stem if stem in wanted and member.suffix.lower() in separators else None

    def tables(members, read):
        keys = [key(member) for member in members]
        twice = next((k for k in keys if k and keys.count(k) > 1), None)
        if twice:
            raise ValueError(f"{path}: the O*NET table {twice} is there twice; keep one release")
        return {k: (separators[Path(m).suffix.lower()], read(m)) for k, m in zip(keys, members) if k}

    if path.is_dir():
        return tables(list(path.rglob("*")), Path.read_bytes)
    try:
        with zipfile.ZipFile(path) as archive:
            return tables(archive.namelist(), archive.read)
    # Damaged bytes inside, a password, a compression that Python does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"{path}: the archive is damaged, truncated or locked ({_first_line(error)})"
        ) from error


def _onet_table(path, files, key):
    if key not in files:
        names = {
            "task_statements": "Task Statements",
            "tasks_to_dwas": "Tasks to DWAs",
            "gwas_to_iwas_to_dwas": "DWA Reference (to release 30.2) or GWAs to IWAs to DWAs (from 30.3 on)",
        }
        raise ValueError(f"{path}: the O*NET table {names[key]} is missing")
    separator, raw = files[key]
    return _read_table(raw, f"{path}, {key}", separator)


def download_onet(release=ONET_RELEASE):
    """Return the path of an O*NET release's text archive, downloaded on first use into the user's cache.

    The address is that of https://www.onetcenter.org/database.html, or of a mirror named by the
    environment variable ONET_URL. Only an archive that `read_onet` can read enters the cache; its
    SHA-256 is written beside it and checked on every later use, and a file that was changed is
    downloaded again. Raises ValueError for a malformed release and for an archive that cannot be read,
    FileNotFoundError for an unknown release, and ConnectionError where the server cannot be reached or
    breaks off; the cache is then left as it was.
    """
    if not re.fullmatch(r"\d+\.\d+", release, re.ASCII):
        raise ValueError(
            f'data: {release!r} is not an O*NET release; write for example "onet:{ONET_RELEASE}"'
        )
    import pooch
    import requests

    url = f"{os.environ.get('ONET_URL', ONET_URL).rstrip('/')}/db_{release.replace('.', '_')}_text.zip"
    name = pooch.utils.unique_file_name(url)
    cache = Path(pooch.os_cache(MODEL_NAME))
    checksum = cache / f"{name}.sha256"
    known = checksum.read_text().strip() if checksum.exists() else None

    def download(url, output_file, registry):
        try:
            pooch.HTTPDownloader(progressbar=True, timeout=30)(url, output_file, registry)
            read_onet(output_file)
        except requests.HTTPError as error:
            if error.response.status_code != 404:
                raise
            # Neither of the errors after which pooch tries again.
            raise FileNotFoundError(
                f"data: {url} does not exist; is there such a release? See https://www.onetcenter.org/db_releases.html"
            ) from error
        except ValueError as error:
            raise ValueError(str(error).replace(str(output_file), url)) from error

    registry = pooch.create(cache, base_url="", registry={name: known}, urls={name: url}, retry_if_failed=2)
    try:
        path = Path(registry.fetch(name, downloader=download))
    except requests.RequestException as error:
        raise ConnectionError(
            f"data: cannot download {url} ({type(error).__name__}); "
            'use data="sample" or the path of an archive'
        ) from error
    checksum.write_text(pooch.file_hash(path) + "\n")
    return path


# --- split --------------------------------------------------------------------------------------


def to_X_y(tasks):
    """Return (X, y) of a table of (Task, GWA) pairs, a row a statement, sorted by statement.

    X is a DataFrame of shape (n, 1) with the column Task; y is a DataFrame of shape (n, 37) of 0 and 1,
    a column a GWA in the order of the sorted codes.
    """
    y = (
        pd.crosstab(tasks["Task"], tasks["GWA"])
        .clip(upper=1)
        .reindex(columns=load_gwas().index, fill_value=0)
    )
    return pd.DataFrame({"Task": y.index}), y.reset_index(drop=True)


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
    """Return (X_train, X_test, y_train, y_test, groups): a fifth of the statements is for testing.

    Near-twins stay on one side; `groups`, of shape (n_train,), numbers them in the training rows, for
    the folds of a cross-validation. Raises ValueError for fewer than 100 statements, for fewer than 10
    families of near-twins, and for statements without words.
    """
    if len(X) < 100:
        raise ValueError(f"data: {len(X)} statements are too few to train and test on; give at least 100")
    if not X["Task"].str.contains(WORD).any():
        raise ValueError(f"data: none of the {len(X)} statements has a word of two letters or more")
    groups = near_twins(X["Task"])
    if len(set(groups)) < 10:
        raise ValueError(f"data: nearly all of the {len(X)} statements are near-twins of each other")
    train, test = next(
        GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=seed).split(X, groups=groups)
    )
    return X.iloc[train], X.iloc[test], y.iloc[train], y.iloc[test], groups[train]


# --- model --------------------------------------------------------------------------------------


def row_products(X):
    """Return a function from the weights (n, n_labels) of the rows to the scores (n, n_labels) of the rows.

    `X` (n, n_features) is a sparse matrix of float32. The coefficients that weights `A` stand for are
    `X.T @ A` and the intercepts the sums of its columns, so the scores are `X @ X.T @ A` and these sums.
    """
    uses = X.getnnz(axis=0)
    # Most columns are used by a few rows, and the products of such rows with each other are quicker to keep.
    rare, common = X[:, np.flatnonzero(uses <= 4)], X[:, np.flatnonzero(uses > 4)]
    between, transposed = rare @ rare.T, common.T.tocsr()
    return lambda A: common @ (transposed @ A) + between @ A + A.sum(axis=0)


def fit_logistic_regressions(scores, Y, C, start, tol=0.001, max_iter=100):
    """Return the weights (n, n_labels) of the rows, of which a regression for each label consists.

    `scores` is what `row_products` returns, `Y` (n, n_labels) an array of 0.0 and 1.0 in which no column is
    constant; `start` (n, n_labels) are the weights to begin with. The loss of each label is that of
    `LogisticRegression(C, class_weight="balanced", solver="liblinear")`: the intercept, too, is penalized. A
    label is done when the norm of its gradient has fallen to `tol` of what it is for weights of 0.

    The method is Newton's with conjugate gradients and step halving (J. Nocedal and S. Wright, Numerical
    Optimization, 2006, algorithm 7.1), for all labels side by side, so that one sparse product serves them
    all. It works on the weights `A` of the rows, since there are fewer rows than features; of `A`, and of
    each direction, we carry the scores that it gives to the rows as well.
    """
    penalty = np.float32(1 / C)
    share = Y.mean(axis=0)
    weight = np.where(Y == 1, 0.5 / share, 0.5 / (1 - share)).astype(np.float32)
    sign = 1 - 2 * Y

    def loss(w, s, a, z):
        return _dot(w, np.logaddexp(0, s * z)) + penalty / 2 * _dot(a, z)

    at_zero = weight * (Y - np.float32(0.5))
    enough = tol**2 * _dot(at_zero, scores(at_zero))
    A, Z = start.copy(), scores(start)
    todo = np.arange(Y.shape[1])
    for _ in range(max_iter):
        w, y, s, a, z = (part.take(todo, axis=1) for part in (weight, Y, sign, A, Z))
        probability = expit(z)
        downhill = w * (y - probability) - penalty * a
        scored = scores(downhill)
        far = np.flatnonzero(_dot(downhill, scored) > enough[todo])
        if not len(far):
            break
        todo = todo[far]
        w, s, a, z, probability, downhill, scored = (
            part.take(far, axis=1) for part in (w, s, a, z, probability, downhill, scored)
        )
        step, step_scores = _newton_step(
            scores, downhill, scored, w * probability * (1 - probability), penalty
        )
        size, before = np.ones(len(todo), np.float32), loss(w, s, a, z)
        while (worse := (loss(w, s, a + size * step, z + size * step_scores) > before) & (size > 1e-3)).any():
            size[worse] /= 2
        A[:, todo] += size * step
        Z[:, todo] += size * step_scores
    return A


def _dot(A, B):
    """Return the dot products (k,) of the columns of A and B (n, k); sums of float32 are too coarse here."""
    return np.einsum("ij,ij->j", A, B, dtype=np.float64)


def _newton_step(scores, downhill, scored, curvature, penalty):
    """Return a Newton step and its scores by conjugate gradients, to 0.3 of the gradient's norm."""
    step, step_scores = np.zeros_like(downhill), np.zeros_like(downhill)
    direction, direction_scores = downhill, scored
    norm = _dot(downhill, scored)
    enough = 0.3**2 * norm
    for _ in range(50):
        bent = penalty * direction + curvature * direction_scores
        rate = np.where(norm > enough, norm / _dot(bent, direction_scores), 0).astype(np.float32)
        step, step_scores = step + rate * direction, step_scores + rate * direction_scores
        downhill, scored = downhill - rate * bent, scored - rate * scores(bent)
        norm, last = _dot(downhill, scored), norm
        if not (norm > enough).any():
            break
        turn = (norm / last).astype(np.float32)
        direction, direction_scores = downhill + turn * direction, scored + turn * direction_scores
    return step, step_scores


class OneVsRestLogisticRegression(ClassifierMixin, BaseEstimator):
    """One logistic regression for each label, and at least one label for each row.

    The labels of a row are those with a probability of 0.5 or more and, where there is none, the most
    probable one. scikit-learn's `OneVsRestClassifier` may leave a row without a label, and asks its 37
    classifiers one after the other; here their coefficients stand in one matrix, so that a prediction
    is one product.

    Parameters: `C` as in `LogisticRegression` (`np.inf` for no penalty); `n_jobs`, the threads that fit
    labels side by side; `warm_start`, whether a fit begins with the solution of the last one, which was on
    the same rows. Fitted attributes: `classes_` (n_labels,), `coef_` (n_labels, n_features) and
    `intercept_` (n_labels,).
    """

    def __init__(self, C=1.0, n_jobs=None, warm_start=False):
        self.C = C
        self.n_jobs = n_jobs
        self.warm_start = warm_start

    def fit(self, X, y):
        """Fit on X, a sparse matrix (n, n_features), and y, a DataFrame (n, n_labels) of 0 and 1.

        A label that all rows or none have gets zero coefficients and an intercept of plus or minus infinity.
        """
        X, Y = X.tocsr().astype(np.float32), y.to_numpy(np.float32)
        share = Y.mean(axis=0)
        self.classes_ = np.array(y.columns)
        # By columns, so that a prediction need not copy the matrix to transpose it.
        self.coef_ = np.zeros((Y.shape[1], X.shape[1]), np.float32, order="F")
        self.intercept_ = np.where(share == 1, np.inf, -np.inf).astype(np.float32)
        labels = np.flatnonzero((share > 0) & (share < 1))
        # Of 20 labels at most, so that what a product reads stays in a processor's cache; 37 are two blocks.
        blocks = np.array_split(labels, max(1, -(-len(labels) // 20)))
        start = self.weights_ if self.warm_start and hasattr(self, "weights_") else np.zeros_like(Y)
        fit = delayed(fit_logistic_regressions)
        scores = row_products(X)
        # Threads, since NumPy and SciPy release the GIL and processes would have to be sent X.
        fitted = Parallel(self.n_jobs, prefer="threads")(
            fit(scores, Y.take(block, axis=1), self.C, start.take(block, axis=1)) for block in blocks
        )
        weights = np.hstack(fitted)
        self.coef_[labels], self.intercept_[labels] = (X.T @ weights).T, weights.sum(axis=0)
        if self.warm_start:
            self.weights_ = np.zeros_like(Y)
            self.weights_[:, labels] = weights
        return self

    def predict_proba(self, X):
        """Return an array (n, n_labels): for each row and label the probability, each label by itself."""
        check_is_fitted(self)
        return expit(X @ self.coef_.T + self.intercept_)

    def predict(self, X):
        """Return an array (n, n_labels) of 0 and 1, with at least one 1 in each row."""
        return at_least_one(self.predict_proba(X))


def at_least_one(probability):
    """Return an array of 0 and 1 of the shape of `probability`: 1 from 0.5 on, and for each row's largest."""
    largest = probability.argmax(axis=1)[:, np.newaxis] == np.arange(probability.shape[1])
    return ((probability >= 0.5) | largest).astype(int)


def terms(statement):
    """Return what the model counts in a task statement: a list of texts.

    They are its words; the first five letters of each longer word, that is, of more than three, since they
    are the same in "assembles" and "assembly"; pairs of neighbors, shortened in the same way; the first
    word, which is the verb, with each longer one and by itself with a mark; and the first five words once
    more with another, because what a statement opens with says more about the activity than the rest.
    """
    words = re.findall(WORD, statement.lower())
    found = [*words, *(f"^{word}" for word in words[:5]), *(f"^^{word}" for word in words[:1])]
    before = None
    for word in words:
        short = word[:5]
        if len(word) > 3:
            found.append(f"{short}*")
            found.append(f"{words[0]} + {short}")
        if before:
            found.append(f"{before} {short}")
        before = short
    return found


class UsedTfidfTransformer(TfidfTransformer):
    """A `TfidfTransformer` of the columns that training rows use; it drops all others.

    `VarianceThreshold` before it would do the same, but takes a third of the time of a single prediction.
    """

    def fit(self, X, y=None):
        """Fit on X, a CSR matrix (n, n_columns) of counts."""
        uses = X.getnnz(axis=0)
        # The commonest first, so that what nearly every row needs lies close together in memory.
        used = np.argsort(-uses, kind="stable")[: np.count_nonzero(uses)]
        self.position_ = np.full(X.shape[1], -1, np.int32)
        self.position_[used] = np.arange(len(used))
        return super().fit(X[:, used])

    def transform(self, X):
        """Return weights, a CSR matrix (n, n_used), of X, one of counts (n, n_columns)."""
        check_is_fitted(self)
        columns = self.position_[X.indices]
        known = columns >= 0
        ends = np.append(0, np.cumsum(known))[X.indptr]
        counts = csr_matrix((X.data[known], columns[known], ends), shape=(X.shape[0], len(self.idf_)))
        return super().transform(counts, copy=False)


# What skops may rebuild besides scikit-learn's own classes.
TRUSTED_TYPES = ["helpers.OneVsRestLogisticRegression", "helpers.UsedTfidfTransformer", "helpers.terms"]


def make_model(C=10.0):
    """Return the unfitted Pipeline from a DataFrame with a Task column to 37 columns of 0 and 1.

    It selects the column; a vectorizer that were given the DataFrame would read the column's *name*.
    What `terms` finds is counted in columns that a hash chooses, so that there is no vocabulary to save, to
    load and to look up (K. Weinberger and others, "Feature hashing for large scale multitask learning",
    2009). TF-IDF weighs those that training rows use.
    """
    counts = HashingVectorizer(
        analyzer=terms, n_features=2**19, alternate_sign=False, norm=None, dtype=np.float32
    )
    return Pipeline(
        [
            ("counts", ColumnTransformer([("terms", counts, "Task")])),
            ("weights", UsedTfidfTransformer(sublinear_tf=True)),
            ("classifier", OneVsRestLogisticRegression(C, n_jobs=-1)),
        ]
    )


def add_rows(X, y, more=None):
    """Return (X, y) with the rows of `more`, a pair like them or None, below."""
    return (X, y) if more is None else (pd.concat([X, more[0]]), pd.concat([y, more[1]]))


def cross_validate(X, y, groups, grid, more=None):
    """Return the micro-F1 of each C of `grid` in three folds: a DataFrame, a row a fold, a column a C.

    `groups` (n,) numbers the near-twins, which stay in the same fold. `more` is a pair (X, y) of further
    rows that are trained on in every fold and never scored. The scores are those of `GridSearchCV` over
    `make_model`, but for where the solver stops: terms are counted once for all folds and candidates, and
    each candidate starts from the solution of the one before it.
    """
    folds = GroupKFold(n_splits=3, shuffle=True, random_state=SEED).split(X, y, groups)
    further = np.arange(len(X), len(X) + (0 if more is None else len(more[0])))
    X, y = add_rows(X, y, more)
    counts = make_model()["counts"].fit_transform(X)
    scores = []
    for train, test in folds:
        train = np.concatenate([train, further])
        weights = make_model()["weights"]
        train_terms, test_terms = weights.fit_transform(counts[train]), weights.transform(counts[test])
        classifier = OneVsRestLogisticRegression(n_jobs=-1, warm_start=True)
        predictions = (
            classifier.set_params(C=C).fit(train_terms, y.iloc[train]).predict(test_terms) for C in grid
        )
        scores.append([f1_score(y.iloc[test], predicted, average="micro") for predicted in predictions])
    return pd.DataFrame(scores, columns=pd.Index(grid, name="C"))


def choose_C(scores):
    """Return the smallest C, the strongest penalty, whose mean is within one standard error of the best.

    `scores` is what `cross_validate` returns. The rule is from L. Breiman and others, Classification and
    Regression Trees, 1984.
    """
    mean = scores.mean()
    return float(mean.index[mean >= mean.max() - scores[mean.idxmax()].sem()].min())


# --- scores -------------------------------------------------------------------------------------


def score(y_true, y_pred):
    """Return a dict of multilabel scores, all between 0 and 1, under scikit-learn's names.

    `y_true` and `y_pred` have the shape (n, n_labels). `hamming_score` is the mean over rows of the
    Jaccard index of true and predicted labels, as the pilot of 2022 called it; the others are defined
    at https://scikit-learn.org/stable/modules/model_evaluation.html. Undefined ratios count as 0.
    """
    scores = {"accuracy": accuracy_score(y_true, y_pred), "hamming_loss": hamming_loss(y_true, y_pred)}
    for average in ("micro", "macro", "samples"):
        values = precision_recall_fscore_support(y_true, y_pred, average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), values):
            scores[f"{name}_{average}"] = value
    scores["hamming_score"] = jaccard_score(y_true, y_pred, average="samples", zero_division=0)
    return scores


# --- tracking -----------------------------------------------------------------------------------


def connect():
    """Point MLflow at the store: MLFLOW_TRACKING_URI, else `mlflow.db` in the project's root.

    A relative path to a SQLite database starts at the root, wherever the notebook is. Its artifacts go
    into `mlruns` beside the database. What is started from here finds this environment's commands first.
    Raises FileNotFoundError where the database's folder does not exist, and OSError for a database that
    cannot be written.
    """
    import mlflow

    # MLflow reports its progress on stderr, where a notebook shows it in red; warnings stay.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    database, folder = None, ROOT
    if uri.startswith("sqlite:///"):
        # A relative path would be one from the working directory, which is not always the root.
        database = ROOT / uri.removeprefix("sqlite:///")
        uri, folder = f"sqlite:///{database}", database.parent
    mlflow.set_tracking_uri(uri)
    os.environ["MLFLOW_TRACKING_URI"] = uri
    # A notebook's kernel may have been started without activating its environment.
    commands = str(Path(sys.executable).parent)
    if os.environ["PATH"].split(os.pathsep)[0] != commands:
        os.environ["PATH"] = os.pathsep.join([commands, os.environ["PATH"]])
    # MLflow would put the artifacts, too, into the working directory.
    with contextlib.chdir(folder):
        if database:
            _need_database(database)
        mlflow.get_experiment("0")
    # Without this, a process takes another 1 to 2 s to end: Python looks several times through all objects.
    gc.freeze()


def _need_database(path):
    """Raise OSError for a SQLite database that cannot be written; MLflow would try again for minutes."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise OSError(f"MLFLOW_TRACKING_URI: {path}: {error}; name a store that can be written") from error


def digest(tasks):
    """Return 16 hexadecimal digits of the SHA-256 of a table of (Task, GWA) pairs."""
    return hashlib.sha256(tasks.to_csv(index=False).encode()).hexdigest()[:16]


def champion():
    """Return the number of the version of `onet-gwa` with the alias `champion`; None where there is none."""
    from mlflow import MlflowClient

    models = MlflowClient().search_registered_models(f"name = '{MODEL_NAME}'")
    return models[0].aliases.get("champion") if models else None


def register(model_uri, f1_micro, data_digest):
    """Register a logged model as a version of `onet-gwa`; return (version, whether it is the champion).

    The version is tagged with its `f1_micro` on the test split and the digest of the data it was trained
    on. It gets the alias `champion` when there is none yet, or when the champion was trained on the same
    data and has a lower f1_micro; scores on other data cannot be compared.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    # mlflow.register_model makes the same two calls, and announces them on stderr.
    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model = client.get_logged_model(model_uri.removeprefix("models:/"))
    version = client.create_model_version(
        MODEL_NAME,
        model_uri,
        run_id=model.source_run_id,
        model_id=model.model_id,
        tags={"f1_micro": repr(float(f1_micro)), "data_digest": data_digest},
    ).version
    present = champion()
    if present is not None:
        tags = client.get_model_version(MODEL_NAME, present).tags
        if tags.get("data_digest") != data_digest or float(tags["f1_micro"]) >= f1_micro:
            return version, False
    client.set_registered_model_alias(MODEL_NAME, "champion", version)
    return version, True


# --- serving ------------------------------------------------------------------------------------


def label(names, classes, probability):
    """Return what probabilities say, for people: a DataFrame with a row a task, most probable GWA first.

    `names` maps codes to names; `classes` (n_labels,) and `probability` (n, n_labels) are the model's.
    The columns GWA, name and probability (four decimals) each hold lists of the same length.
    """
    chosen = at_least_one(probability)
    orders = [[k for k in np.argsort(-row, kind="stable") if on[k]] for row, on in zip(probability, chosen)]
    return pd.DataFrame(
        {
            "GWA": [[str(classes[k]) for k in order] for order in orders],
            "name": [[names[classes[k]] for k in order] for order in orders],
            "probability": [
                [round(float(row[k]), 4) for k in order] for row, order in zip(probability, orders)
            ],
        }
    )


def requirements():
    """Return what a served model needs, pinned to what is installed: a list of pip requirements."""
    packages = ["mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"]
    return [f"{package}=={version(package)}" for package in packages]


class Labeler:
    """What is served: `predict` takes a DataFrame (n, 1) with a Task column and returns `label`'s n rows.

    Raises MlflowException, which a server answers with status 400 and its message, for a value that is not
    a text or has no word in it. Of any other exception the server would send the stack trace.
    """

    def __init__(self, pipeline, names):
        self.pipeline = pipeline
        self.names = names

    def predict(self, X, params=None):
        from mlflow.exceptions import MlflowException

        for row, text in enumerate(X["Task"], 1):
            if not isinstance(text, str) or not re.search(WORD, text):
                value = textwrap.shorten(repr(text), 60)
                raise MlflowException.invalid_parameter_value(
                    f"row {row}: Task {value} is not a text with words in it; send a sentence in each row"
                )
        classes = self.pipeline.classes_
        # scikit-learn refuses a table without rows.
        probability = self.pipeline.predict_proba(X) if len(X) else np.empty((0, len(classes)))
        return label(self.names, classes, probability)


def save_servable(pipeline, folder):
    """Write a fitted pipeline and the GWAs' names into the new `folder`: the data of the served model."""
    import skops.io

    Path(folder).mkdir()
    skops.io.dump(
        pipeline, Path(folder) / "pipeline.skops", compression=zipfile.ZIP_DEFLATED, compresslevel=1
    )
    shutil.copy(ROOT / "data" / "gwas.csv", folder)


def log_servable(pipeline, example):
    """Log a fitted pipeline to the active run as the model that is served; return MLflow's ModelInfo.

    `example`, a DataFrame (n, 1) with a Task column, goes with the model and gives its signature. The code
    is this file and the data are those of `save_servable`, so that nothing has to be unpickled.
    """
    import mlflow

    names = load_gwas()["Name"]
    with tempfile.TemporaryDirectory() as parent:
        save_servable(pipeline, f"{parent}/servable")
        return mlflow.pyfunc.log_model(
            name="model",
            loader_module="helpers",
            data_path=f"{parent}/servable",
            code_paths=[__file__],
            signature=mlflow.models.infer_signature(example, Labeler(pipeline, names).predict(example)),
            input_example=example,
            pip_requirements=requirements(),
        )


def _load_pyfunc(folder):
    """Return the `Labeler` of a folder made by `save_servable`; MLflow calls this to load the model."""
    import skops.io

    folder = Path(folder)
    pipeline = skops.io.load(folder / "pipeline.skops", trusted=TRUSTED_TYPES)
    return Labeler(pipeline, pd.read_csv(folder / "gwas.csv", index_col="GWA")["Name"])


# Runs a command and waits for it. The end of its own standard input, which comes when the process that
# holds the other end closes it or dies, kills the command and all that it started.
_LEASH = """
import os, signal, subprocess, sys, threading

def follow():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)

signal.signal(signal.SIGTERM, signal.SIG_IGN)
default = lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL)
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, preexec_fn=default)
threading.Thread(target=follow, daemon=True).start()
sys.exit(server.wait())
"""


@contextlib.contextmanager
def server(*command, ready="/health", timeout=300):
    """Run a server on a free port while the context lasts; yield its address, such as "127.0.0.1:51000".

    In the arguments of `command`, "{port}" stands for the port. The context is entered when the server
    answers GET on the path `ready` with status 200 or, where that is None, accepts connections. When the
    context ends, the server and all processes that it started have ended too; when this process dies, they
    are killed. Raises RuntimeError, with the end of the server's log, where it ends by itself or does
    not answer within `timeout` seconds, and FileNotFoundError for an unknown command.
    """
    if not shutil.which(command[0]):
        raise FileNotFoundError(f"{command[0]}: there is no such command; is the environment active?")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [argument.replace("{port}", str(port)) for argument in command]
    with tempfile.TemporaryFile() as log:
        leash = subprocess.Popen(
            [sys.executable, "-c", _LEASH, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + timeout
            while not _answers(port, ready):
                ended = leash.poll() is not None
                if ended or time.monotonic() > end:
                    log.seek(0)
                    said = log.read().decode(errors="replace").splitlines()[-20:]
                    what = f"ended with status {leash.returncode}" if ended else f"not ready in {timeout} s"
                    raise RuntimeError("\n".join([f"{' '.join(command)}: {what}; its log ends with:", *said]))
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            _end(leash)


def _answers(port, path):
    # Without a library that would ask a proxy.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.connect()
            if path is None:
                return True
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False


def _end(leash):
    """Ask the session of `leash` to end, and after 10 seconds kill what is left of it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leash.pid, signal.SIGTERM)
    try:
        leash.wait(10)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leash.pid, signal.SIGKILL)
        leash.wait()
        leash.stdin.close()


# --- figures ------------------------------------------------------------------------------------


def show(figure, alt):
    """Display a matplotlib figure in a notebook and close it; `alt` describes it for who cannot see it.

    The description is, as `alt`, metadata of the image. The output's plain text is the description and
    `figure_data`: a test of the notebook does not compare pixels, so it compares what they show.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    png = io.BytesIO()
    figure.savefig(png, format="png")
    # It is laid out now, which takes most of the time; saving it once more need not do that again.
    figure.set_layout_engine("none")
    plt.close(figure)
    text = f"{alt}\n{figure_data(figure)}"
    display({"image/png": png.getvalue(), "text/plain": text}, metadata={"image/png": {"alt": alt}}, raw=True)


def figure_data(figure):
    """Return what the axes of a drawn figure hold, as lines of text: titles, labels, legend, numbers.

    Numbers other than whole ones have three significant digits; of more than 100 only the count, the range
    and the mean are told.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    lines = []
    for ax in figure.axes:
        lines += [title for title in map(ax.get_title, ("left", "center", "right")) if title]
        for name, axis in {"x": ax.xaxis, "y": ax.yaxis}.items():
            lines.append(f"{name} axis: {axis.get_label_text()}")
            # Tick labels that are not numbers of a scale are data, such as the names of bars.
            if not isinstance(axis.get_major_formatter(), (ScalarFormatter, LogFormatter)):
                lines.append("    " + "; ".join(label.get_text() for label in axis.get_ticklabels()))
        legend = ax.get_legend()
        texts = [text.get_text() for text in (*ax.texts, *(legend.get_texts() if legend else ()))]
        if texts:
            lines.append(f"texts: {'; '.join(texts)}")
        for line in ax.lines:
            lines += ["line", *_columns("xy", line.get_xydata())]
        bars = [bar.get_path().get_extents(bar.get_patch_transform()).bounds for bar in ax.patches]
        if bars:
            lines += ["bars", *_columns(("x", "y", "width", "height"), bars)]
        for drawn in ax.collections:
            scattered = isinstance(drawn, PathCollection)
            points = drawn.get_offsets() if scattered else np.vstack([p.vertices for p in drawn.get_paths()])
            lines += ["points", *_columns("xy", points)]
        for drawn in (*ax.collections, *ax.images):
            if drawn.get_array() is not None:
                lines += _columns(["colors"], np.reshape(drawn.get_array(), (-1, 1)))
    return "\n".join(lines)


def _columns(names, rows):
    """Return a line of text for each column of an array (n, len(names)), for `figure_data`."""
    lines = []
    # This makes 0 of -0 and of what is not zero only by a processor's last bit.
    for name, column in zip(names, np.round(np.asarray(rows, dtype=float).T, 9) + 0.0):
        texts = [f"{value:.0f}" if value.is_integer() else f"{value:.3g}" for value in column.tolist()]
        if len(column) > 100:
            told = f"{len(column)} from {column.min():.3g} to {column.max():.3g}, mean {column.mean():.3g}"
        elif len(set(texts)) == 1:
            told = f"{len(column)} times {texts[0]}"
        else:
            told = " ".join(texts)
        lines.append(f"    {name}: {told}")
    return lines
