"""The most certain errors on the sample, whose statements may be copied, and what a reader thought of them."""

import pandas as pd
from common import Training, helpers

# What a reader thought of the errors on the sample; a statement that is new among them has no remark.
READ = {
    "Discuss inherited disease odds and chromosome reports with couples planning pregnancies.": (
        "To discuss with somebody usually is to confer; that findings are explained to them is in the object."
    ),
    "Monitor legislative news on employment law and advise managers about required changes.": (
        "It opens with the verb of the other activity; only its object says that this is about staying informed."
    ),
    "Evaluate brownfield cleanup records to judge whether soil and vapor standards were achieved before housing "
    "is built.": "Both verbs are of the other activity; that a standard decides stands late in the sentence.",
    "Draft planting plans that set crop order, row spacing, and cover crops for each field.": (
        "A plan can be a design or an order of steps; the label may be argued with."
    ),
    "Assess the risk of default among small businesses seeking lines of credit.": (
        "To assess usually is to judge; that a risk is analyzed has to be known."
    ),
    "Measure apprentices' mastery of wiring, soldering, and safety practice with timed bench tests.": (
        "Its verb is one of measuring; that a person is graded is in the object."
    ),
    "Plan field studies of bird migration, choosing observation stations, instruments, and seasons.": (
        "The verb misleads: planning a study counts as creative work in the labels."
    ),
    "Plan weekly school menus that meet nutritional requirements for protein, sodium, and whole grains.": (
        "The same: planning a menu counts as designing it."
    ),
    "Promote outstanding supervisors and terminate managers who miss production targets.": (
        "A word with two meanings: promoting a person is not promoting a product."
    ),
    "Plan the content of swimming lessons according to swimmers' ages and confidence in deep water.": (
        "Planning a course counts as creative work in the labels; the verb misleads again."
    ),
    "Examine water samples for coliform bacteria and enter findings in laboratory notebooks.": (
        "To examine usually is to inspect; that a sample is analyzed for something is in the object."
    ),
}


def section(n=10):
    """Return the lines on the `n` most certain errors of a model that was trained on the sample as in notebook 02."""
    labels = helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
    titles = helpers.to_X_y(helpers.load_dwa_titles("sample", labels), labels)
    X_train, X_test, y_train, y_test, _ = helpers.split(X, y)
    training = Training(X_train, y_train, titles)
    probability = training.model.predict_proba(X_test)
    wrong = pd.DataFrame(probability, y_test.index, y_test.columns).where(y_test == 0, 0)
    lines = [
        "## Ten errors on the sample",
        "",
        f"The {n} most certain errors of notebook 02's model of the sample (C={training.C:g}), whose statements may be "
        "copied:",
        "",
    ]
    for k in wrong.max(axis=1).nlargest(n).index:
        task, true = X_test["Task"][k], ", ".join(labels["name"][y_test.loc[k] == 1])
        said = f"the model says {labels['name'][wrong.loc[k].idxmax()]} ({wrong.loc[k].max():.2f})."
        lines.append(f"- {task} Labeled {true}; {said} {READ.get(task, '')}".rstrip())
    return lines
