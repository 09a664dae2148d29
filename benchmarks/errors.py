"""The most certain errors on the sample, whose statements may be copied, and what was noted on reading them."""

import pandas as pd
from common import helpers, train

N = 10
# What was noted on reading the errors, by statement, labels and answer: where one of these has changed, the note
# no longer holds.
READ = {
    "Discuss inherited disease odds and chromosome reports with couples planning pregnancies. (4A4a1, not 4A4a2)": "To discuss with somebody usually is to confer; that findings are explained to them is in the object.",
    "Monitor legislative news on employment law and advise managers about required changes. (4A2b3 4A4b6, not 4A1a2)": "It opens with the verb of the other activity; only its object says that this is about staying informed.",
    "Evaluate brownfield cleanup records to judge whether soil and vapor standards were achieved before housing is built. (4A2a3, not 4A2a1)": "Both verbs are of the other activity; that a standard decides stands late in the sentence.",
    "Draft planting plans that set crop order, row spacing, and cover crops for each field. (4A2b6, not 4A2b2)": "A plan can be a design or an order of steps; the label may be argued with.",
    "Assess the risk of default among small businesses seeking lines of credit. (4A2a4, not 4A2a1)": "To assess usually is to judge; that a risk is analyzed has to be known.",
    "Measure apprentices' mastery of wiring, soldering, and safety practice with timed bench tests. (4A2a1, not 4A1b3)": "Its verb is one of measuring; that a person is graded is in the object.",
    "Plan field studies of bird migration, choosing observation stations, instruments, and seasons. (4A2b2, not 4A2b6)": "The verb misleads: planning a study counts as creative work in the labels.",
    "Plan weekly school menus that meet nutritional requirements for protein, sodium, and whole grains. (4A2b2, not 4A2b6)": "Planning a menu counts as designing it; the verb misleads.",
    "Promote outstanding supervisors and terminate managers who miss production targets. (4A4c2, not 4A4a6)": "A word with two meanings: promoting a person is not promoting a product.",
    "Plan the content of swimming lessons according to swimmers' ages and confidence in deep water. (4A2b2, not 4A2b6)": "Planning a course counts as creative work in the labels; the verb misleads.",
}
UNREAD = "Nobody has read this one yet."


def section():
    """Return the lines on the most certain errors of a model that was trained on the sample as in notebook 02."""
    labels = helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
    titles = helpers.to_X_y(helpers.load_dwa_titles("sample", labels), labels)
    X_train, X_test, y_train, y_test, _ = helpers.split(X, y)
    training = train(X_train, y_train, titles)
    probability = training.model.predict_proba(X_test)
    wrong = pd.DataFrame(probability, y_test.index, y_test.columns).where(y_test == 0, 0)
    lines = [
        f"## The {N} most certain errors on the sample",
        "",
        "The wrong answers with the highest probabilities, one a statement, of notebook 02's model of the sample "
        f"(C={training.C:g}); its statements were written for this project and may be copied. The end of each is a "
        "note, typed into `benchmarks/errors.py` by who read it:",
        "",
    ]
    for k in wrong.max(axis=1).nlargest(N).index:
        task, true, said = X_test["Task"][k], labels.index[y_test.loc[k] == 1], wrong.loc[k].idxmax()
        key = f"{task} ({' '.join(true)}, not {said})"
        lines.append(
            f"- {task} Labeled {', '.join(labels['name'][true])}; the model says {labels['name'][said]} ({wrong.loc[k, said]:.2f}). "
            f"{READ.get(key, UNREAD)}"
        )
    return lines
