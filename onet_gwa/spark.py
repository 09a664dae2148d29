"""Statements answered on Apache Spark, by the same model, as MLflow gives it to Spark's workers."""

import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from onet_gwa.batches import ROWS_PER_FILE
from onet_gwa.statements import BATCH, answer_schema
from onet_gwa.tables import first_line, shorten

ANSWER = "onet_gwa_answer"
MASTER = r"local(\[([1-9]\d*|\*)\])?|(spark|k8s)://(https?://)?[\w.-]+:\d+(,[\w.-]+:\d+)*"
NEEDED = 17
logger = logging.getLogger(__name__)


def need_java():
    """Raise RuntimeError, in one line, where there is no pyspark or no Java that it can use."""
    if not find_spec("pyspark"):
        raise RuntimeError(
            "master: Spark is not in this environment; type make spark, and use .venv (--env-manager local)"
        )
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java" if home else "java")
    mend = f"install Java {NEEDED} or newer (Debian: apt install default-jre-headless), or let JAVA_HOME name one"
    if not java:
        raise RuntimeError(
            f"master: Spark needs Java, and there is no {home}/bin/java; {mend}"
            if home
            else f"master: Spark needs Java; {mend}"
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if not version or int(version[1]) < NEEDED:
        raise RuntimeError(
            f"master: Spark needs Java {NEEDED}, and {java} says {said.partition(chr(10))[0]!r}; {mend}"
        )


def need_master(master):
    """Raise ValueError for a text that is no Spark master, and OSError for one where nothing answers."""
    if not re.fullmatch(MASTER, master, re.ASCII):
        raise ValueError(
            f"master: {master!r} is no Spark master; write local[*], local[4], spark://host:7077, or nothing for none"
        )
    addresses = [
        address.rpartition(":") for address in re.sub(r".*//", "", master).split(",") if ":" in address
    ]
    for host, _, port in addresses:
        with contextlib.suppress(OSError, OverflowError):
            socket.create_connection((host, int(port)), timeout=5).close()
            return
    if addresses:
        raise OSError(f"master: nothing answers at {master}; start it, or name another")


def need_types(statements):
    """Raise ValueError, with the column, for a pyarrow Dataset whose types Spark cannot read or write in parquet.

    A file may have narrower numbers than the Dataset, and no other types.
    """
    import pyarrow.types as kinds

    schema = statements.schema
    for field in schema:
        if not _spark_type(field.type):
            raise _no_type(field.name, field.type, "another type")
    for file in statements.get_fragments():
        for field in [field for field in file.physical_schema if field.name in schema.names]:
            have, wanted = field.type, schema.field(field.name).type
            narrower = _spark_type(have) and any(
                same(have) and same(wanted) and have.bit_width < wanted.bit_width
                for same in (kinds.is_integer, kinds.is_floating)
            )
            if _spark_type(have) != _spark_type(wanted) and not narrower:
                told = f"{have} in {file.path}, and {wanted} in other files"
                raise _no_type(field.name, told, "one type in all of them")


def _spark_type(kind):
    """Return Spark's type for one of pyarrow, or None where it has none."""
    import pyarrow as pa
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import from_arrow_type

    if pa.types.is_null(kind) or pa.types.is_timestamp(kind) and kind.unit == "ns":
        return None
    with contextlib.suppress(PySparkException):
        return from_arrow_type(kind)


def _no_type(name, kind, mend):
    return ValueError(
        f"input: Spark cannot take the column {name!r}, whose type is {kind}; write it as {mend}, or leave master out"
    )


@contextlib.contextmanager
def session(master, log):
    """Start Spark's driver for a master; yield its SparkSession, and stop it at the end.

    What Spark's Java process says goes into `log`, a file open to be written and read. It listens on 127.0.0.1, unless
    the master is on another machine, whose workers connect to it. Raises RuntimeError, with the cause in one line,
    where Spark fails.
    """
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    # The driver tells its workers by what name they call Python.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf(loadDefaults=False).setMaster(master).setAppName("onet-gwa score")
    # An answer has columns that differ in case from some of the input's.
    conf.setAll([("spark.ui.enabled", "false"), ("spark.sql.caseSensitive", "true")])
    conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH))
    # As others write them; Spark's own way loses the time zone.
    conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    if master.startswith("local"):
        # Others on this machine would reach its ports.
        conf.set("spark.authenticate", "true")
    if master.startswith("local") or re.match(r"spark://(127\.0\.0\.1|localhost):", master):
        conf.setAll([("spark.driver.host", "127.0.0.1"), ("spark.driver.bindAddress", "127.0.0.1")])
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    interrupt = signal.getsignal(signal.SIGINT)

    def refused(error):
        log.seek(0)
        said = f"{error}\n{log.read()}"
        return RuntimeError(f"master: {master} does not take the job: {cause(said)}")

    try:
        gateway = launch_gateway(conf=conf, popen_kwargs={"stdout": log, "stderr": log})
        context = SparkContext(conf=conf, gateway=gateway)
    except (Py4JError, PySparkException) as error:
        raise refused(error) from error
    # Spark has put its own there.
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield SparkSession(context)
    except (Py4JError, PySparkException) as error:
        # A master may say so only after the start.
        if "stopped SparkContext" in str(error):
            raise refused(error) from error
        raise RuntimeError(f"Spark failed: {cause(error)}") from error
    finally:
        with contextlib.suppress(Py4JError, OSError):
            context.stop()


def answer_on_spark(spark, statements, path, model, column, prefix, folder):
    """Answer all statements on Spark's workers, into new `folder`; yield how many rows more are done.

    `statements` and `path` are what `open_statements` returns, and `model` is the folder of a model. Spark reads and
    writes the files itself, so that its workers must see them under the same names. The rows' order may differ.
    """
    import mlflow.pyfunc
    from pyspark.sql.functions import col, validate_utf8
    from pyspark.sql.pandas.types import from_arrow_schema

    rows = statements.count_rows()
    pieces = max(rows // ROWS_PER_FILE, min(spark.sparkContext.defaultParallelism, rows // BATCH), 1)
    size = sum(os.path.getsize(file) for file in statements.files)
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(size // pieces + 1))
    schema = from_arrow_schema(statements.schema, prefer_timestamp_ntz=True)
    # Characters of a pattern, in a path, would be one.
    table = spark.read.schema(schema).parquet("file://" + re.sub(r"([]\\[{}*?])", r"\\\1", str(path)))
    # Spark divides a file between the groups of rows that its writer made, and pandas makes one of a million.
    spread = sum(fragment.metadata.num_row_groups for fragment in statements.get_fragments()) < pieces
    if spread:
        table = table.repartition(pieces)
    predict = mlflow.pyfunc.spark_udf(spark, model, env_manager="local", params={"skip_bad": True})
    answered = table.withColumn(ANSWER, predict(validate_utf8(col(_quoted(column)).cast("string"))))
    columns = [col(_quoted(name)) for name in statements.schema.names]
    names = answer_schema("").names
    answers = answered.select(*columns, *(col(ANSWER)[name].alias(prefix + name) for name in names))
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(answers.write.parquet, f"file://{folder}")
        try:
            yield from _progress(spark.sparkContext.statusTracker(), written, rows, spread)
            written.result()
        finally:
            # A job that is to end would be waited for.
            if not written.done():
                spark.sparkContext.cancelAllJobs()


def _quoted(name):
    """Return a column's name for Spark, which takes a dot for a step into a structure."""
    return "`" + name.replace("`", "``") + "`"


def _progress(tracker, written, rows, spread):
    """Yield how many rows more are done, about as the finished tasks say, until the future `written` is.

    With `spread` the first stage reads the rows and gives them to others, and answers none.
    """
    done, began, warned, seen = 0, time.monotonic(), False, set()
    while not written.done():
        time.sleep(0.5)
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        stage = max(filter(None, stages), key=lambda stage: stage.stageId, default=None)
        if stage and stage.numActiveTasks:
            began, warned = time.monotonic(), False
        elif not warned and time.monotonic() > began + 30:
            logger.warning("no worker of the master has had a task for 30 s; are all of them busy, or gone?")
            warned = True
        seen |= {stage.stageId} if stage else set()
        if (
            stage
            and len(seen) > spread
            and (more := rows * stage.numCompletedTasks // stage.numTasks - done) > 0
        ):
            done += more
            yield more
    yield rows - done


def cause(error):
    """Return what went wrong, in one line, from an error of Spark, which has the traces of three processes."""
    lines = re.findall(
        r"^(?:Caused by: |: |Exception in thread \S+ )?([\w.]+(?:Error|Exception)\b.*)",
        str(error),
        re.MULTILINE,
    )
    return shorten(lines[-1] if lines else first_line(error))
