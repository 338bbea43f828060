"""The kinds of errors and warnings, each with what it means and what helps.

``docs/how-to/troubleshooting.md`` is made from it.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """What a kind of error is about, and what to do."""

    meaning: str
    cure: str


TEMPLATES = {
    "cycle": Meaning("templates use each other, or an alias itself, without end", "break the ring"),
    "lost_line": Meaning(
        "a line of a child has no effect, since one of its parent comes later",
        "write it into the block that holds that line, below `== super()`",
    ),
    "missing_template": Meaning(
        "no folder of the search path has the template",
        "correct the name; `forgather tlist` and `forgather meta` show names and folders",
    ),
    "required_block": Meaning("the parent demands a block", "give the block a body"),
    "super_without_parent": Meaning(
        "no parent has the block in which `super()` stands", "check its name and `extends`"
    ),
    "swallowed_line": Meaning(
        "a line of a text reads as a comment, header or assignment of the language",
        "put the text between `-- raw` and `-- endraw`",
    ),
    "template_runtime": Meaning("an expression of a template failed", "see the line it names"),
    "template_syntax": Meaning(
        "a statement cannot be read", "close what is open; a statement takes one line"
    ),
    "text_outside_blocks": Meaning(
        "text beside the blocks of a template that extends another", "write it into a block"
    ),
    "undefined_variable": Meaning(
        "a template uses a variable that nobody has set", "set it above, or give a default"
    ),
    "unhonoured_variable": Meaning(
        "an override of `ns` did not reach the template", "set the variable with `-- set ns.NAME`"
    ),
    "unknown_block": Meaning("no parent has a block of this name", "correct the name"),
    "unread_variable": Meaning("no template reads the variable of `ns`", "correct the name"),
    "unstable_variables": Meaning(
        "templates assign each other's variables in turns", "assign each in one template"
    ),
    "unused_template": Meaning("nothing uses a sub-template", "include it, or remove its marker"),
}
GRAPH = {
    "ambiguous_number": Meaning("YAML reads the text as a number", "quote it"),
    "attribute_missing": Meaning("a module does not have the name", "see the names it has"),
    "bad_arguments": Meaning(
        "a class or function does not take these arguments", "see the arguments that it takes"
    ),
    "bad_import_spec": Meaning("the name of a call cannot be read", "write `module:Name`"),
    "bad_tag_argument": Meaning("a tag stands before the wrong kind of value", "see the hint"),
    "constructor_failed": Meaning(
        "what was constructed raised an error", "read its message, which is the cause"
    ),
    "duplicate_anchor": Meaning("two elements have the anchor", "rename one"),
    "duplicate_name": Meaning("two nodes have the same `@name`", "rename one"),
    "import_failed": Meaning(
        "a module cannot be imported", "install it, or correct the name; see the cause"
    ),
    "invalid_yaml": Meaning("a plain YAML file cannot be read", "see the line it names"),
    "not_callable": Meaning("what a call names is a value", "name a class or a function"),
    "too_many_calls": Meaning(
        "a configuration would construct too many objects", "share them with `&anchor` and `*alias`"
    ),
    "unbound_var": Meaning("a `!var` has no value", "give it, or a default"),
    "undefined_alias": Meaning("an alias has no anchor above it", "define it above"),
    "unknown_tag": Meaning("there is no such tag", "see the nearest one"),
    "unknown_target": Meaning(
        "the configuration has no such target", "`forgather targets` lists them"
    ),
    "unsupported_type": Meaning("a value of a kind that has no place here", "see the hint"),
    "yaml_syntax": Meaning(
        "the rendered text is no YAML", "`forgather pp` prints it; check columns and quotes"
    ),
}
COMPOSING = {
    "bad_override": Meaning("an override cannot be applied", "see the hint; quote odd characters"),
    "cyclic_defaults": Meaning("defaults lists name each other without end", "break the ring"),
    "edited": Meaning(
        "templates were edited since the run began with which `resume=DIR` goes on",
        "undo the edit, start a new run, or go on with what they say now",
    ),
    "detached_reference": Meaning(
        "a YAML layer writes below a reference", "write to the definition that it names"
    ),
    "missing_key": Meaning("a value that must be given is missing", "give it as an override"),
    "missing_value": Meaning(
        "a `???`, or an interpolation that gives no value", "set what it names"
    ),
    "preflight_failed": Meaning(
        "values that cannot work together", "see the message; nothing has been run"
    ),
    "reserved_key": Meaning("a root key has a meaning of its own", "use another name"),
    "security": Meaning(
        "what a template or an override may not do",
        "[what is protected](../explanation/security.md); allow it, if you trust it",
    ),
    "unknown_key": Meaning("nothing reads the key", "see the nearest keys"),
    "unknown_option": Meaning("a group has no such option", "see the options that it has"),
}
PROJECTS = {
    "bad_meta": Meaning("a value of `meta.yaml` has the wrong type", "see what it should be"),
    "bad_name": Meaning("a name that cannot be used for this", "see the hint"),
    "file_exists": Meaning("a file is in the way; nothing is overwritten", "choose another name"),
    "missing_folder": Meaning("`meta.yaml` names a folder that is not there", "correct its name"),
    "no_project": Meaning("the folder is no project", "`-p DIR`; `forgather ls -r` finds projects"),
    "no_workspace": Meaning("no workspace is around the folder", "`forgather ws create DIR`"),
}
RUNS = {
    "bad_data": Meaning("data cannot be read, or has not what is needed", "see what it names"),
    "bad_model": Meaning("a directory holds no model that can be used", "see the message"),
    "no_editor": Meaning("the editor cannot be run", "name one: `EDITOR=nano`"),
    "bad_optimizer": Meaning("an optimizer cannot do what is asked of it", "choose another one"),
    "missing_extra": Meaning("an optional package is not installed", "install the extra it names"),
    "missing_model": Meaning("the run has left no model", "let it finish, or name a model"),
    "missing_package": Meaning("a package is not installed", "install it"),
    "model_exists": Meaning("a directory holds another model", "name another directory"),
    "no_hub": Meaning("the hub was not reached, or refused", "`hf auth login`; `--dry-run`"),
    "task_failed": Meaning("a task of lm-eval cannot be loaded", "see the hint"),
    "no_run": Meaning("the directory holds no run", "name that of a run"),
    "run_directory": Meaning("the directory of a run cannot be used", "see the hint"),
    "text_too_long": Meaning(
        "a text and what is to follow are longer than the model takes",
        "shorten it, or give a smaller `--max-new-tokens`",
    ),
    "unknown_task": Meaning("lm-eval has no such task", "correct the name, or name a file"),
}
SWEEPS = {
    "bad_launcher": Meaning("an option of the launcher is wrong", "see the options it has"),
    "bad_resources": Meaning("`resources` cannot be had, or make no sense", "see the message"),
    "bad_sweep": Meaning("the sweep cannot be read", "see [sweeps](sweep.md)"),
    "bad_where": Meaning("the filter of a sweep cannot be evaluated", "see [sweeps](sweep.md)"),
    "no_job": Meaning("the sweep has no such job", "`forgather status SWEEP_DIR` lists them"),
    "no_sweep": Meaning("the directory holds no sweep", "name that of a sweep"),
    "snapshot_failed": Meaning("the sources could not be copied", "see the cause"),
    "sweep_differs": Meaning(
        "the directory holds another sweep", "give this one a `hydra.sweep.dir` of its own"
    ),
    "sweep_directory": Meaning("the directory of a sweep cannot be used", "see the hint"),
    "sweep_is_busy": Meaning("another process runs the sweep", "wait, or cancel it"),
    "task_failed": Meaning("a job ended with an error", "`forgather logs SWEEP_DIR JOB`"),
}
BY_SUBJECT = {
    "Templates": TEMPLATES,
    "Values, names and calls": GRAPH,
    "Composing": COMPOSING,
    "Projects": PROJECTS,
    "Data, models and runs": RUNS,
    "Sweeps and jobs": SWEEPS,
}
KINDS = {kind: meaning for kinds in BY_SUBJECT.values() for kind, meaning in kinds.items()}
