"""The one place where settings meet parts.

schema.py     settings checked against the constructors of the parts they name
parts.py      parts made, with the sizes that follow from one another
run_files.py  a run's folder read again: settings and weights
opening.py    models: new ones, those that go on from another run, and trained ones
"""

from captioner.build.opening import load, make_start
from captioner.build.parts import (
    make_all_splits,
    make_encoder,
    make_model,
    make_objective,
    make_optimiser,
    make_plan,
    make_schedule,
    make_search,
    make_splits,
    make_vocabulary,
)
from captioner.build.run_files import ENCODER, SETTINGS, VOCABULARY, read_run_settings
from captioner.build.schema import keys_of, part, read, save_settings

__all__ = [
    "ENCODER",
    "SETTINGS",
    "VOCABULARY",
    "keys_of",
    "load",
    "make_all_splits",
    "make_encoder",
    "make_model",
    "make_objective",
    "make_optimiser",
    "make_plan",
    "make_schedule",
    "make_search",
    "make_splits",
    "make_start",
    "make_vocabulary",
    "part",
    "read",
    "read_run_settings",
    "save_settings",
]
