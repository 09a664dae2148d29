"""The most certain errors on the sample, whose statements may be copied, and what was noted on reading them."""

import pandas as pd
from common import helpers, train

N = 10
# What was noted on reading the errors, by statement, labels and answer: where one of these has changed, the note
# no longer holds.
READ = {
    "Plan forest restoration programs for hillsides stripped by wildfire or insect infestation. (4A2b2, not 4A2b6)": "The verb misleads: drawing up a program counts as creative work in the labels.",
    "Measure grip strength and pinch force of therapy clients with dynamometers at each visit. (4A1b2, not 4A1b3)": "The verb is one of measuring; that a patient is examined is in the object.",
    "Assess shop drawings submitted by steel fabricators for agreement with design specifications. (4A2a3, not 4A2a1)": "To assess usually is to judge; that a specification decides is at the end of the sentence.",
    "Advise the banquet captain of spoiled dairy, chipped glassware, or faulty dishwashers. (4A4a2, not 4A4b6)": "A word with two meanings: to advise somebody of a fault is to report it.",
    "Discuss inherited disease odds and chromosome reports with couples planning pregnancies. (4A4a1, not 4A4a2)": "The verb is one of talking with colleagues; that reports are explained to laymen is in the objects.",
    "Operate straddle carriers to shuttle marine containers between ship side and stacking blocks. (4A3a4, not 4A3a3)": "Vehicles and machines are both operated; that a straddle carrier drives has to be known.",
    "Operate bingo blowers and read the drawn numbers aloud to hall patrons. (4A4a8, not 4A3a3)": "The verb is one of machines; whom the work is for is at the end of the sentence.",
    "Regrind dull saw blades and planer knives, and file chipped auger tips by hand. (4A3b4, not 4A3a2)": 'Grinding and filing usually shape things; that they mend them is in "dull" and "chipped".',
    "Evaluate logging plans for effects on streams, nesting owls, and protected slopes. (4A2a3, not 4A2a1)": "The sentence names no rule, only what rules protect, so the label may be argued with.",
    "Observe employees or claimants discreetly to obtain evidence of theft or feigned injury. (4A1a1, not 4A1a2)": "To observe usually is to monitor; what it is for comes after the verb.",
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
