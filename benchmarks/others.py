"""Fit one of the libraries that a user might take instead, at its documented defaults, and answer the test rows.

    python others.py napkinXC problem.json answer.json

Run by bench.py in an environment of the library's own, in which this project is absent. problem.json holds
"train" and "test", lists of statements, "labels", the lists of label numbers of the training rows, and
"n_labels"; answer.json gets the "seconds" of the fit, tokenization included, and "score", a list of n_labels numbers
for each test row, in which 0.5 or more says yes.
"""

import json
import re
import sys
import tempfile
import time
from pathlib import Path

# What bench.py installs for each; scikit-learn is added in the project's version.
REQUIREMENTS = {
    "napkinXC": ["napkinxc==0.7.2", "scipy"],
    "LibMultiLabel": ["libmultilabel==0.10.0", "liblinear-multicore==2.50.0"],
    # Its answers to a list of texts are wrong, and those to one text need this NumPy.
    "fastText": ["fasttext-wheel==0.9.2", "numpy==1.26.4"],
}
FASTTEXT = {"lr": 0.5, "epoch": 25, "wordNgrams": 2, "bucket": 200_000, "dim": 50, "loss": "ova"}
WHAT = {
    "napkinXC": "`BR` on TF-IDF of words",
    "LibMultiLabel": "`train_1vsrest` after its own `Preprocessor`",
    "fastText": f"the line of its multi-label tutorial: `{FASTTEXT}`",
}


def napkinXC(train, labels, test, n_labels):
    from napkinxc.models import BR
    from sklearn.feature_extraction.text import TfidfVectorizer

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        words = TfidfVectorizer()
        model = BR(folder)
        model.fit(words.fit_transform(train), labels)
        seconds = time.perf_counter() - begin
        answers = [dict(row) for row in model.predict_proba(words.transform(test))]
    return seconds, [[row.get(k, 0.0) for k in range(n_labels)] for row in answers]


def LibMultiLabel(train, labels, test, n_labels):
    import libmultilabel.linear as linear
    import pandas as pd

    def frame(texts, labels):
        # Its data frames have an index, the labels as one text, and the text.
        return pd.DataFrame({"index": range(len(texts)), "label": labels, "text": texts})

    begin = time.perf_counter()
    sides = frame(train, [" ".join(map(str, row)) for row in labels]), frame(test, [""] * len(test))
    preprocessor = linear.Preprocessor()
    data = preprocessor.fit_transform(linear.load_dataset("dataframe", *sides))
    model = linear.train_1vsrest(data["train"]["y"], data["train"]["x"], verbose=False)
    seconds = time.perf_counter() - begin
    values = linear.predict_values(model, data["test"]["x"])
    columns = {int(label): k for k, label in enumerate(preprocessor.label_mapping)}
    # It is a support vector machine: from 0 on it says yes.
    return seconds, [
        [float(row[columns[k]]) + 0.5 if k in columns else -1e9 for k in range(n_labels)] for row in values
    ]


def fastText(train, labels, test, n_labels):
    import fasttext

    def plain(text):
        # As its tutorial prepares the texts: punctuation by itself, lower case.
        return re.sub(r"([.!?,'/()])", r" \1 ", text).lower()

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        lines = [" ".join([f"__label__{k}" for k in row] + [plain(text)]) for text, row in zip(train, labels)]
        file = Path(folder, "train.txt")
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        model = fasttext.train_supervised(str(file), **FASTTEXT, verbose=0)
        seconds = time.perf_counter() - begin
    answers = [
        {name.removeprefix("__label__"): float(p) for name, p in zip(*model.predict(plain(text), k=-1))}
        for text in test
    ]
    return seconds, [[row.get(str(k), 0.0) for k in range(n_labels)] for row in answers]


def main(name, problem, answer):
    problem = json.loads(Path(problem).read_text())
    fit = {"napkinXC": napkinXC, "LibMultiLabel": LibMultiLabel, "fastText": fastText}[name]
    seconds, score = fit(problem["train"], problem["labels"], problem["test"], problem["n_labels"])
    Path(answer).write_text(json.dumps({"seconds": seconds, "score": score}))


if __name__ == "__main__":
    main(*sys.argv[1:])
