#!/usr/bin/env bash
# A study that goes on from its storage, with the sampler it began with, tries the same values again: a seed is where the sampler begins,
# and nothing of what it has drawn is in the study. So do two workers of one study that are given one seed. Seen with optuna 5.0.0
# (samplers/_tpe/sampler.py and _random.py, which make their LazyRandomState of the seed) and Python 3.11, for two times four trials:
#   TPESampler(seed=0), RandomSampler(seed=0)   the last four trials are the first four once more
#   seeds 0 and 1, or QMCSampler(seed=0)        eight different ones
#
# bash findings/optuna_resume_seed.sh [FOLDER]   FOLDER: where the packages are installed, and found the next time
set -euo pipefail
folder=$(realpath "${1:-$(mktemp -d)}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d "$folder/env" ] || python3 -m venv "$folder/env"
python=$folder/env/bin/python
$python -c 'import optuna, scipy' 2>/dev/null || $python -m pip install -q optuna==5.0.0 scipy==1.17.1
$python -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("optuna",)))'
cd "$work"
cat >look.py <<'PYTHON'
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def values(kind, seeds):
    """What a study tries that is begun, and gone on with, for four trials each."""
    name = f"{kind.__name__}{seeds}"
    for seed in seeds:
        study = optuna.create_study(
            storage="sqlite:///study.db", study_name=name, load_if_exists=True, sampler=kind(seed=seed)
        )
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
    return [round(trial.params["x"], 4) for trial in study.trials]


samplers = optuna.samplers
for kind in (samplers.TPESampler, samplers.RandomSampler):
    again, other = values(kind, (0, 0)), values(kind, (0, 1))
    print(kind.__name__, again, "with another seed", other)
    assert again[4:] == again[:4] and len(set(other)) == 8
assert len(set(values(samplers.QMCSampler, (0, 0)))) == 8
PYTHON
$python look.py 2>/dev/null
