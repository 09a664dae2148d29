"""The index of what the notebooks share, in the order the data flows; the code is in `onet_gwa/`.

What travels with the model, and so must do without the project, is in `onet_gwa_model.py`.
"""

# ruff: noqa: F401, I001
from onet_gwa import ROOT, SEED

# The texts of the command line become values.
from onet_gwa.parameters import (
    check_names,
    check_parameters,
    parse_C,
    parse_gate,
    parse_penalty,
    parse_promote,
)

# Labels, and statements that have them: the sample, O*NET's archives, your own files.
from onet_gwa.labels import labels_digest, load_labels
from onet_gwa.download import download_onet
from onet_gwa.tasks import digest, load_dwa_titles, load_tasks, source_path
from onet_gwa.recombined import write_recombined

# X and y, sides and folds.
from onet_gwa.split import folds, is_for_testing, near_twins, split, to_X_y

# The model: its terms, its pipeline, its candidates, and what is chosen after their scores.
from onet_gwa_model import AtLeastOneLabelClassifier, at_least_one, terms
from onet_gwa.training import C_of, calibrate, make_model, make_param_grid, one_standard_error

# How good its answers are, and where they come from.
from onet_gwa.scores import bootstrap_interval, check_behavior, expected_calibration_error, reliability, score
from onet_gwa_model import Labeler, contributions, label, reasons

# The run, the registry, the model that is served.
from onet_gwa.store import choose_experiment, connect, open_run
from onet_gwa.registry import MODEL_NAME, champion, prepare_registration, register, set_champion
from onet_gwa.promotion import promote
from onet_gwa.serving import log_model, requirements

# Whether what it is asked has changed.
from onet_gwa.answers import known_words, measure
from onet_gwa.weeks import find_answers
from onet_gwa.watch import STATISTICS, count_weeks, counted, judge, limits, places, psi, refer, statistics
from onet_gwa.reference import reference, tell_industries, training_data
from onet_gwa.watch_page import changes, weeks_figure

# What notebooks need besides, figures and servers; and what the job needs.
from onet_gwa.figures import figure_data, render, show
from onet_gwa.servers import server
from onet_gwa.spark import need_java, session
from onet_gwa.cluster import cluster
from onet_gwa.addresses import login_variables, make, plain
from onet_gwa.job import KEPT, claim, close, finish, reap
from onet_gwa.later import keep, record
from onet_gwa.processes import end_with_launcher
from onet_gwa.surroundings import end_on_signals, ignore_signals, keep_streams, kernel
