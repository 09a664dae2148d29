"""docs/when-it-breaks.md: each of its messages is produced by a test, and here are many of ours."""

import ast
import shutil
import socket
import subprocess
import sys

import clean_records
import environment
import pandas as pd
import prune
import pyarrow as pa
import pytest
import score
import serve
import server
import skops.io
import switch
import watch
from conftest import ROOT
from messages import MESSAGES, fails, on_page

import helpers
import onet_gwa_model
import run_notebook
from onet_gwa import answers, batches, parameters, reference, spark, store, weeks
from onet_gwa.statements import open_statements


def test_each_message_is_produced():
    """By a test that names it, somewhere in this folder."""
    calls = [
        node
        for path in (ROOT / "tests").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "on_page"
    ]
    named = tuple(call.args[0].value for call in calls)
    assert [message for message in MESSAGES if not message.startswith(named)] == []


def test_each_message_can_be_searched_for():
    """It has words, beside what varies, that few others have."""
    for message in MESSAGES:
        parts = [part for part in message.split("…") if len(part.strip()) >= 4]
        assert any(sum(part in other for other in MESSAGES) < 4 for part in parts), message


def test_setting_up(tmp_path, monkeypatch):
    assert on_page("Python … is too old").search(environment.too_old((3, 10, 4)))
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "ready").write_text("/usr 3.11.1")
    (tmp_path / "link").symlink_to(tmp_path / "env")
    monkeypatch.setattr(environment, "FOLDER", str(tmp_path / "link"))
    monkeypatch.setattr(environment, "READY", str(tmp_path / "link" / "ready"))
    assert on_page("the environment is a link to").search(environment.main())
    fails(on_page("there is no such command"), helpers.server("mlflo").__enter__)
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    fails(on_page("PYTHONWARNINGS: "), store.connect)


@pytest.mark.parametrize(
    "form, command",
    [
        (on_page("No module named 'tqdm'"), ["-S", ROOT / "run_notebook.py"]),
        (on_page("No module named 'helpers'"), ["-c", "import helpers"]),
    ],
    ids=["tqdm", "helpers"],
)
def test_a_missing_module(form, command, tmp_path):
    """In a Python without packages, and outside of the project."""
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
    assert form.search(done.stderr)


def test_parameters(capsys):
    fails(on_page("C: … is not a positive"), parameters.parse_C, "0")
    fails(on_page("C: … has an empty value"), parameters.parse_C, "1,,10")
    fails(on_page("C: … is given twice"), parameters.parse_C, "1, 1.0")
    fails(on_page("penalty: "), parameters.parse_penalty, "l1")
    fails(on_page("promote: "), parameters.parse_promote, "always")
    fails(on_page("gate: "), parameters.parse_gate, "-1")
    fails(on_page("registered_model_name: … is not"), parameters.check_names, "gwas", "a/b")
    fails(on_page("registered_model_name: 'onet-gwa'"), parameters.check_names, "own.csv", "onet-gwa")
    with pytest.raises(SystemExit):
        run_notebook.parse_arguments(["--c", "1"])
    assert on_page("unrecognized arguments").search(capsys.readouterr().err)


@pytest.mark.parametrize(
    "form, content",
    [
        (on_page("the columns have semicolons"), b"Task;GWA\nDrive trucks.;4A3a4\n"),
        (on_page("byte 0x… is not UTF-8"), "Task,GWA\nPrépare du café.,4A3a4\n".encode("latin-1")),
        (on_page("the row has … values"), b"Task,GWA\nWash the car, then dry it.,4A3a4\n"),
        (on_page("the quotes do not match"), b'Task,GWA\n"Drive" trucks.,4A3a4\n'),
        (on_page("there is no column …; found"), b"task text,GWA\nDrive trucks.,4A3a4\n"),
        (on_page("GWA … is not one of"), b"Task,GWA\nDrive trucks.,4A3z9\n"),
        (on_page("Task … is empty"), b"Task,GWA\n,4A3a4\n"),
        (on_page("Task … has no word"), b"Task,GWA\n5,4A3a4\n"),
    ],
    ids=str,
)
def test_data(form, content, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    fails(form, helpers.load_tasks, tmp_path / "t.csv")


def test_files(tmp_path):
    fails(on_page("data: … does not exist; give"), helpers.load_tasks, "nowhere.csv")
    fails(on_page("labels: … is not a file"), helpers.load_labels, "nowhere.csv")
    fails(on_page("data: … is not an O*NET release"), helpers.load_tasks, "onet:31")
    (tmp_path / "t.xlsx").touch()
    fails(on_page("… is a workbook"), helpers.load_tasks, tmp_path / "t.xlsx")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    fails(on_page("not a parquet file"), helpers.load_tasks, tmp_path / "t.parquet")
    (tmp_path / "db.zip").write_bytes(b"PK\x03\x04")
    fails(on_page("the archive is damaged or truncated"), helpers.load_tasks, tmp_path / "db.zip")
    (tmp_path / "l.csv").write_text("code,name\nx,Ex\nx,Why\n")
    (tmp_path / "empty").mkdir()
    fails(on_page("code … is there twice"), helpers.load_labels, tmp_path / "l.csv")
    fails(on_page("the O*NET table … is missing"), helpers.load_tasks, tmp_path / "empty")


def test_statements_that_nothing_can_be_learned_from():
    few = pd.DataFrame({"Task": ["Drive trucks."]})
    fails(on_page("data: … statements are too few"), helpers.split, few, pd.DataFrame({"a": [1]}))
    twins = pd.DataFrame(
        {"Task": [f"Drive the yellow snow tractor to the old farm {n}." for n in range(120)]}
    )
    y = pd.DataFrame({"a": [0, 1] * 60})
    fails(on_page("data: … of the … statements are near-twins"), helpers.split, twins, y)


def test_the_model(tmp_path):
    X = pd.DataFrame({"Task": ["Drive.", "\n5"]})
    fails(on_page("row … Task … is not a text"), onet_gwa_model.good_rows, X)
    cut = X.set_axis(["Wash the car", "Drive"])
    fails(on_page("row … is before Task"), onet_gwa_model.good_rows, cut)
    (tmp_path / "pipeline.skops").write_bytes(skops.io.dumps(helpers.parse_C))
    fails(on_page("… is not ours, and not loaded"), onet_gwa_model._load_pyfunc, tmp_path)
    (tmp_path / "data" / "model").mkdir(parents=True)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "onet_gwa_model.py").write_text("other = True")
    fails(on_page("… is not the loaded …"), onet_gwa_model._load_pyfunc, tmp_path / "data" / "model")
    labels = helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels).head(200), labels)
    other = helpers.make_model().fit(X, y.add_prefix("my "))
    fails(on_page("pipeline: fitted to"), onet_gwa_model.Labeler, other, labels["name"])


def test_settings_of_servers(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        fails(on_page("port … cannot be used ([Errno 98]"), serve.bind, "make serve", "5001")
    (tmp_path / "file").touch()
    for form, setting, function in (
        (on_page("WORKERS="), {"WORKERS": "0"}, serve.main),
        (on_page("LOG="), {"LOG": "xml"}, serve.main),
        (on_page("ANSWERS="), {"ANSWERS": "all"}, lambda: serve.need_answers("make serve")),
        (on_page("KEEP=… is no number"), {"KEEP": "0"}, lambda: serve.need_answers("make serve")),
        (
            on_page("FOLDER=… cannot be written"),
            {"ANSWERS": "counts", "FOLDER": str(tmp_path / "file")},
            lambda: serve.need_answers("make serve"),
        ),
        (on_page("KEEP=… is not a number"), {"KEEP": "all"}, prune.main),
    ):
        with monkeypatch.context() as patch:
            for name, value in setting.items():
                patch.setenv(name, value)
            fails(form, function)


def test_nothing_answers(free_port):
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    done = subprocess.run(["curl", f"http://127.0.0.1:{free_port}/ping"], capture_output=True, text=True)
    assert on_page("curl: (7) Failed to connect").search(done.stderr)


def test_other_programs(tmp_path, monkeypatch):
    fails(on_page("RESTART=… ended"), switch.restart, "false {port}", 5001, "onet-gwa/1")
    fails(on_page("there is no …; install PostgreSQL"), server.postgres, "no-such-command")
    (tmp_path / "postgres").mkdir()
    fails(on_page("… is gone, and the server knows"), server.password, tmp_path)
    fails(on_page("FOLDER: … holds no model"), helpers.record, tmp_path)
    (tmp_path / "mlflow.db").touch()
    monkeypatch.setattr(clean_records, "ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))
    assert on_page("there is no terminal to ask on").search(clean_records.main())


def test_scoring(tmp_path, monkeypatch):
    table = tmp_path / "t.parquet"
    pd.DataFrame({"id": [1], "Task": ["Drive trucks."], "GWA": ["x"]}).to_parquet(table)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")

    def opened(name, column="Task", prefix=""):
        return open_statements(tmp_path / name, column, prefix, tmp_path)

    fails(on_page("input: … is not there"), opened, "none.parquet")
    fails(on_page("input: … cannot be read: …; write it anew"), opened, "bad.parquet")
    fails(on_page("input: …: the column … holds"), opened, "t.parquet", "id", "my ")
    fails(on_page("input: …: there is a column"), opened, "t.parquet")
    texts = pa.array([b"Run.", b"R\xe9parer."]).view(pa.string())
    fails(on_page("input: … is not UTF-8"), batches.answer, pa.record_batch({"Task": texts}), "", "Task")
    fails(on_page("output: … is there"), score.new_folder, table, table)
    fails(on_page("output: … is in the input"), score.new_folder, tmp_path / "out", tmp_path)
    fails(on_page("output: there is no folder"), score.new_folder, tmp_path / "none" / "out", table)
    fails(on_page("model: … is no address"), score.fetch_model, "onet-gwa", tmp_path)
    fails(on_page("master: … is no Spark master"), spark.need_master, "yarn")
    fails(on_page("master: nothing answers"), spark.need_master, "spark://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "pyspark", None)
    fails(on_page("master: Spark is not in this environment"), spark.need_java)


def test_watching(tmp_path, capsys):
    fails(on_page("answers: … does not exist"), weeks.find_answers, tmp_path / "none")
    fails(on_page("answers: … is no log"), weeks.find_answers, tmp_path)
    (tmp_path / answers.NAME.format("2026-11-27")).touch()
    fails(on_page("answers: no answer is in"), weeks.find_answers, tmp_path)
    rows = pd.DataFrame({"Task": ["Drive."], "GWA": [["a"]], "probability": [[0.5]], "model": ["m/1"]})
    rows.to_parquet(tmp_path / "t.parquet")
    fails(on_page("answers: … has no column"), weeks.find_answers, tmp_path / "t.parquet")
    rows.assign(time="27.11.2026").to_parquet(tmp_path / "t.parquet")
    fails(on_page("answers: …, row …: time"), weeks.find_answers, tmp_path / "t.parquet")
    fails(on_page("answers: no week has"), watch.decide, pd.DataFrame(), 2, "onet-gwa/1", 100)
    fails(on_page("model: … is no version"), reference.model_labels, "mine")
    for form, function, arguments in (
        (on_page("chance: "), watch.number, ["chance", "2", 0.001, 0.5]),
        (on_page("limits: "), watch.parse_limits, ["psi=1"]),
    ):
        with pytest.raises(SystemExit):
            function(*arguments)
        assert form.search(capsys.readouterr().err)
