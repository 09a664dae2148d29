"""Measure the sample beside O*NET tasks, and write sample.md, where the figures in data/README.md come from."""

import argparse

import numpy as np
import pandas as pd
from common import (
    A_TENTH,
    ATTRIBUTION,
    HERE,
    RELEASES,
    SEEDS,
    by_family,
    helpers,
    load,
    markdown,
    named,
    train,
)
from sklearn.feature_extraction.text import CountVectorizer


def words(statements):
    """Return the words of a Series of statements, in lower case, with a blank between and around them."""
    return " " + statements.str.lower().str.findall(r"\w+").str.join(" ") + " "


def with_title(statements, titles):
    """Return the statements, a Series, that hold one of the titles, a Series, word for word."""
    held = words(titles).tolist()
    return statements[[any(title in text for title in held) for text in words(statements)]]


def overlap(ours, theirs):
    """Return the highest Jaccard index of the five-word sequences of one of `ours` with one of `theirs`, two Series."""
    counts = CountVectorizer(ngram_range=(5, 5), token_pattern=r"\w+", binary=True)
    sequences = counts.fit_transform(pd.concat([ours, theirs]))
    size = np.asarray(sequences.sum(axis=1)).ravel()
    common = (sequences[: len(ours)] @ sequences[len(ours) :].T).tocoo()
    either = size[common.row] + size[len(ours) + common.col] - common.data
    return (common.data / either).max(initial=0.0)


def described(tasks):
    """Return what can be counted in a table of (Task, GWA) pairs as a dict of texts."""
    gwas = tasks.groupby("Task").size()
    length = gwas.index.str.split().str.len()
    return {
        "statements": f"{len(gwas):,}",
        "words, mean": f"{length.to_series().mean():.1f}",
        "words, standard deviation": f"{length.to_series().std():.1f}",
        "words, fewest to most": f"{length.min()} to {length.max()}",
        "statements with two GWAs": f"{(gwas == 2).mean():.1%}",
        "statements with more GWAs": f"{(gwas > 2).mean():.1%}",
    }


def counts(tables, labels):
    """Return the lines on how many statements each GWA has in tables of (Task, GWA) pairs, a dict by their names."""
    table = pd.DataFrame({name: tasks["GWA"].value_counts() for name, tasks in tables.items()})
    table = table.reindex(labels.index).fillna(0).astype(int)
    ranges = [
        f"- {name}: {each.min():,} to {each.max():,}, with a median of {each.median():g}; the most frequent has "
        f"{each.max() / each.min():.0f} times as many as the rarest."
        for name, each in table.items()
    ]
    table.insert(0, "name", labels["name"])
    return [f"## Statements by GWA, {len(table)} of them", "", *ranges, "", *markdown(table.reset_index())]


def by_major_group(sample):
    """Return the lines on how many statements of the sample each major group has."""
    groups = sample.drop_duplicates("Task")["SOC"].value_counts().sort_index()
    return [
        f"## Statements of the sample by major group, {len(groups)} of them",
        "",
        f"- {groups.min()} to {groups.max()}, with a median of {groups.median():g}.",
        "",
        *markdown(groups.rename_axis("major group").rename("statements").reset_index()),
    ]


def trained(sample, X, y, labels):
    """Return the lines on what models trained on the sample, and on as many O*NET tasks, reach on O*NET tasks."""
    X_sample, y_sample = helpers.to_X_y(sample, labels)
    no_titles = X.iloc[:0], y.iloc[:0]
    ours = train(X_sample, y_sample, no_titles).model
    rows = []
    for seed in SEEDS:
        X_train, X_test, y_train, y_test = by_family(X, y, seed)
        drawn = X_train.sample(len(X_sample), random_state=seed).index
        theirs = train(X_train.loc[drawn], y_train.loc[drawn], no_titles).model
        scores = [helpers.score(y_test, model.predict(X_test))["f1_micro"] for model in (ours, theirs)]
        rows.append([str(seed), *scores, scores[1] - scores[0]])
    table = pd.DataFrame(rows, columns=["seed", "the sample", "O\\*NET tasks", "difference"])
    mean, deviation = (getattr(table.iloc[:, 1:], name)() for name in ("mean", "std"))
    table.loc[len(table)] = ["mean", *mean]
    table.loc[len(table)] = ["standard deviation", *deviation]
    return [
        "## Trained on the sample, tested on O\\*NET tasks",
        "",
        f"Micro-F1 of models trained as notebook 02 does, without DWA titles: one on the {len(X_sample):,} statements of "
        f"the sample, the other on as many O\\*NET tasks, drawn anew for each seed from the training side of its split. Both "
        "are tested on the test side, a fifth of the statements, near-twins on one side.",
        "",
        *markdown(table),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument(
        "--data", default="onet:31.0", help="the O*NET tasks to compare with, as in MLproject"
    )
    parser.add_argument("--titles", help="the O*NET release or archive with DWA titles; else that of --data")
    arguments = parser.parse_args()
    (X, y), (titles, _), labels, _ = load(arguments)
    sample = helpers.load_tasks("sample", labels)
    ours = sample["Task"].drop_duplicates()
    if len(titles) == 0:
        parser.error("there are no DWA titles; give an O*NET release or archive with --titles")
    if len(X) < 2 * len(ours):
        parser.error(f"--data has {len(X):,} statements; to draw from, give at least {2 * len(ours):,}")

    found = with_title(ours, titles["Task"])
    print(f"{len(found)} statements hold a DWA title", *found, sep="\n")
    tables, read, highest = {"the sample": sample}, [], []
    for number, source in enumerate(dict.fromkeys([arguments.data, arguments.titles or arguments.data]), 1):
        tasks = tables[f"source {number}"] = helpers.load_tasks(source, labels)
        theirs = tasks["Task"].drop_duplicates()
        known = A_TENTH if helpers.digest(tasks) in RELEASES else ""
        read.append(f"{number}. {len(theirs):,} statements with a DWA of {named(source, tasks)}.{known}")
        highest.append(f"- source {number}: {overlap(ours, theirs):.3f}")
    table = pd.DataFrame({name: described(tasks) for name, tasks in tables.items()})
    lines = [
        "# The sample beside O\\*NET® tasks",
        "",
        f"Written by `benchmarks/sample.py`. The sample (digest {helpers.digest(sample)}) is compared with these sources and "
        "no others:",
        "",
        *read,
        "",
        "## What is in it",
        "",
        "Words are what blanks separate.",
        "",
        *markdown(table.rename_axis("").reset_index()),
        "## What it has in common with them",
        "",
        f"{len(found)} statements hold one of {titles['Task'].nunique():,} titles of detailed work activities (DWAs) word for "
        "word, without regard to case and punctuation. The highest Jaccard index of the five-word sequences of a statement "
        "with those of an O\\*NET task:",
        "",
        *highest,
        "",
        *trained(sample, X, y, labels),
        *counts(tables, labels),
        *by_major_group(sample),
        ATTRIBUTION,
    ]
    (HERE / "sample.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
