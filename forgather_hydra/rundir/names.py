"""Every file of a run and of a sweep: its name, what it says, and the fields of those in JSON.

Whoever reads or writes one takes the name from here; `docs/reference/run-directory.md` is made from
this module and from `states`.
"""

from __future__ import annotations

from typing import NamedTuple

RUN = "of a run"
LAUNCH_OF_RUN = "of a run, in `.launch/`, where a launcher has started it"
ATTEMPT = "of a run, in `.launch/attempt_N/`, of each start"
SWEEP = "of a sweep"
LAUNCH_OF_SWEEP = "of a sweep, in `.launch/`"


class Entry(NamedTuple):
    """A file or folder.

    Attributes:
        place: whose directory it is in.
        name: in that directory.
        meaning: what it says, in a line.
        fields: of an object in JSON, each with its meaning.
    """

    place: str
    name: str
    meaning: str
    fields: dict[str, str]


ENTRIES: list[Entry] = []


def _entry(where: str, name: str, meaning: str, /, **fields: str) -> str:
    ENTRIES.append(Entry(where, name, meaning, fields))
    return name


# What a run is.
HYDRA = _entry(RUN, ".hydra", "Hydra's record: configuration, Hydra's own part, overrides")
HYDRA_FORMER = _entry(RUN, ".hydra.former", "that of the last start, until the new one is certain")
RECORD = _entry(
    RUN,
    "run.json",
    "what the run is, and how it ended",
    signature="hash of the composed configuration; runs with the same one are the same",
    overrides="of the start before last that did not fail, else the first one",
    status="`running`, or how it ended",
    attempts="of each start `started`, `ended`, `host`, `pid` and `argv`",
    result="what target `main` returned, if that is a dict, a number or a text",
    former="signature and overrides before this start, while it lasts",
)
LOCK = _entry(RUN, ".lock", "locked while a process runs in the directory")
STARTING = _entry(RUN, ".starting", "locked by a command from before it writes here until its end")
RENDERED = _entry(RUN, "config.pp.yaml", "the templates as rendered")
GRAPH = _entry(RUN, "graph.yaml", "the graph that was built")
CODE = _entry(RUN, "graph.py", "the same as Python")
VERSIONS = _entry(RUN, "versions.json", "of Python, the platform and the packages that matter")
GIT = _entry(
    RUN,
    "git.json",
    "the state of the repository around the working directory",
    commit="the commit",
    changed="files that differ from it",
    diff="how they do",
)

# How it is doing.
METRICS = _entry(
    RUN,
    "metrics.jsonl",
    "one object a line for each log, each evaluation and, marked `final`, the end",
    step="optimizer steps so far",
    epoch="passes over the data, a fraction",
    tokens="input tokens so far",
    time="seconds of training, over all starts",
    final="true in the last line",
)
METRICS_CSV = _entry(RUN, "metrics.csv", "the same as a table, with `+tracker=csv`")
PROFILE = _entry(RUN, "profile.txt", "with `+debug=profile`, where the time of a step goes")
PROFILE_TRACE = _entry(RUN, "profile.json", "with `+debug=profile`, the trace, for Perfetto")
METRICS_OLD = _entry(RUN, "metrics.jsonl.old", "that of an earlier run in the directory")
STATUS = _entry(
    RUN,
    "status.json",
    "the heartbeat of training, replaced at most once a second",
    state="`running`, or how training ended",
    step="optimizer steps so far",
    max_steps="of how many",
    loss="the last one logged, or null",
    time="of the heartbeat, in seconds since 1970",
    host="where it runs",
    pid="of its first process",
    attempt="1 for the first start in the directory",
    error="what it failed with",
)
SAVE = _entry(RUN, "SAVE", "a command, whatever it holds: write a checkpoint")
STOP = _entry(RUN, "STOP", "a command: write a checkpoint, and end")
ABORT = _entry(RUN, "ABORT", "a command: end without a checkpoint")
REQUEUE = _entry(
    RUN,
    "REQUEUE",
    "left by a run that `STOP` or a signal has ended, until it goes on",
    step="where it ended",
    max_steps="how far it was to go",
    reason="`STOP`, or the name of the signal",
)
TRACEBACK = _entry(RUN, "traceback.txt", "the calls that led to an exception, if one ended the job")
CHECKPOINTS = _entry(RUN, "checkpoints", "`checkpoint-STEP/`, each complete")
TENSORBOARD = _entry(RUN, "runs", "logs for TensorBoard")
MODEL = _entry(RUN, "model", "the trained model, which needs nothing of ours")
CARD = "README.md"
ENTRIES.append(Entry(RUN, f"{MODEL}/{CARD}", "the card of the model, as a hub shows it", {}))
EVALUATIONS = _entry(
    RUN,
    "eval.json",
    "what `forgather eval` and `+callback=eval_tasks` have found, by data or task",
    metrics="the numbers, by name",
    time="when",
    limit="how many samples at most, or null",
    step="of the optimizer, where it was during training",
)

# What a launcher keeps about it.
LAUNCH = ".launch"
JOB = _entry(
    LAUNCH_OF_RUN,
    "job.json",
    "what was launched",
    number="of the job",
    overrides="what it differs by",
    directory="of the job",
    processes="how many it has",
    key="what makes it the same job when it is launched again",
)
PAYLOAD = _entry(LAUNCH_OF_RUN, "payload.pkl", "the same, composed, for its processes")
RESULT = _entry(
    LAUNCH_OF_RUN,
    "result.json",
    "how the job ended, once it has; this counts, whatever a cluster says",
    status="`finished`, `stopped` or `failed`",
    value="what it returned; what JSON does not know as text",
    error="the first line of what it failed with",
    time="when, in seconds since 1970",
)
RETURN = _entry(LAUNCH_OF_RUN, "return.pkl", "what it returned, for the launch that started it")
FAILURE = _entry(
    LAUNCH_OF_RUN,
    "failure.json",
    "what the process said that failed first",
    rank="of the process",
    error="the first line",
    told="all that the user reads about it",
    exit_code="2 if something was asked for that cannot work, else 1",
)
PLACE = _entry(
    LAUNCH_OF_RUN,
    "place.json",
    "the job on a cluster; of a start on this machine it is in the folder of the attempt",
    place="devices, or the cluster's job, as tables show it",
    host="where it was started",
    pid="of the process that was started",
    id="the cluster's, of a job there",
    log="what the shell around a cluster's job prints",
    time="when, in seconds since 1970",
)
OWNER = _entry(LAUNCH_OF_RUN, "OWNER", "locked by its first process; names that one's attempt")
GIVEN_UP = _entry(LAUNCH_OF_RUN, "CANCELLED", "the user does not want it any more")
USED_UP = _entry(LAUNCH_OF_RUN, "USED_UP", "it has been queued as often as is allowed")
WARNED = _entry(LAUNCH_OF_RUN, "WARNED", "the cluster has said that its time is up")
ATTEMPT_PREFIX = "attempt_"
FIRST_ATTEMPT = f"{ATTEMPT_PREFIX}1"
TORCHRUN_LOG = _entry(ATTEMPT, "torchrun.log", "what torchrun says, where there are processes")


def rank_log(rank: int | str) -> str:
    """The name of the log of a process, in the folder of an attempt."""
    return f"rank_{rank}.log"


ENTRIES.append(Entry(ATTEMPT, "rank_R.log", "what process R has printed", {}))
ENTRIES.append(Entry(ATTEMPT, PLACE, "where it was started, if on this machine; as above", {}))

# A sweep.
MULTIRUN = _entry(SWEEP, "multirun.yaml", "Hydra's: the configuration of the sweep itself")
MANIFEST = _entry(
    SWEEP,
    "sweep.json",
    "its jobs, and their results",
    launch="who launched it with which command, and `jobs`, by key, as in `job.json`",
    metric="what the jobs are compared by",
    direction="`minimize` or `maximize`",
    best="the best one of `jobs`",
    jobs="of each `number`, `overrides`, `status`, `value`, `directory`, `error`, `metrics`",
)
MANIFEST_LOCK = _entry(SWEEP, ".sweep.lock", "locked while somebody writes that")
RESULTS_CSV = _entry(SWEEP, "results.csv", "the results as a table")
RESULTS_PAGE = _entry(SWEEP, "results.html", "the results as a page, with curves")
SEEDS_CSV = _entry(SWEEP, "seeds.csv", "mean and spread over seeds, where there are several")
STUDY = _entry(SWEEP, "study.db", "the study of a search with Optuna")
LAUNCHER = _entry(LAUNCH_OF_SWEEP, "LAUNCHER", "locked while somebody launches jobs of it")
CODE_COPY = _entry(LAUNCH_OF_SWEEP, "code", "the code as it was at each launch, where that is kept")
SUBMIT_LOCK = _entry(LAUNCH_OF_SWEEP, "submit.lock", "locked while jobs are submitted")
ENTRIES.append(Entry(LAUNCH_OF_SWEEP, "task-HASH.pkl", "what the jobs share", {}))
ENTRIES.append(Entry(LAUNCH_OF_SWEEP, "submit-ID", "scripts and logs of a cluster's jobs", {}))
