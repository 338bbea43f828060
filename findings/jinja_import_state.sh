#!/usr/bin/env bash
# What an imported template sets and its macros change goes on in the next render, in whatever template imports it: it is run once,
# and kept with the template. Seen with jinja2 3.1.6 and Python 3.11, for a macro that counts in a namespace of its file:
#   {% import %}, a template rendered three times        1 2, 3 4, 5 6
#   {% from ... import %} in another template then       7
#   {% import ... with context %}, rendered twice        1 2, 1 2
#   a file that the imported one imports, edited         is not read again, though auto_reload is on
#
# bash findings/jinja_import_state.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import jinja2' 2>/dev/null || $python -m pip install -q jinja2==3.1.6
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("jinja2",)))'
cd "$work"
cat >look.py <<'PYTHON'
import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

FILES = {
    "count": "{% set ns = namespace(n=0) %}{% macro next() %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endmacro %}",
    "a": "{% import 'count' as c %}{{ c.next() }} {{ c.next() }}",
    "b": "{% from 'count' import next %}{{ next() }}",
    "anew": "{% import 'count' as c with context %}{{ c.next() }} {{ c.next() }}",
    "size": "{% set size = 1 %}",
    "between": "{% import 'size' as s %}{% set size = s.size %}",
    "direct": "{% import 'size' as s %}{{ s.size }}",
    "indirect": "{% import 'between' as s %}{{ s.size }}",
}
for name, text in FILES.items():
    Path(name).write_text(text)
environment = Environment(loader=FileSystemLoader("."))


def render(name):
    return environment.get_template(name).render()


counted = [render("a") for _ in range(3)], render("b"), [render("anew") for _ in range(2)]
print("counted", counted)
assert counted == (["1 2", "3 4", "5 6"], "7", ["1 2", "1 2"])

before = render("direct"), render("indirect")
Path("size").write_text("{% set size = 20 %}")
os.utime("size", (0, 0))  # another time of change, whatever the file system's clock
after = render("direct"), render("indirect")
print("before and after an edit", before, after)
assert (before, after) == (("1", "1"), ("20", "1"))
PYTHON
$python look.py
