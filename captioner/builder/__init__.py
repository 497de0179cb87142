"""The one place where settings meet parts.

config.py     YAML files, overrides, and checks against signatures
sections.py   what a section holds besides the part that its kind names
schema.py     settings checked against the constructors of the parts they name
parts.py      parts made, with the sizes that follow from one another
run_folder.py a run's folder: its files, its lock, its settings and weights read again
loading.py    models: new ones, those that go on from another run, and trained ones
"""

from captioner.builder.loading import load, make_start
from captioner.builder.parts import (
    make_all_splits,
    make_encoder,
    make_model,
    make_objective,
    make_optimiser,
    make_schedule,
    make_search,
    make_splits,
    make_vocabulary,
)
from captioner.builder.run_folder import ENCODER, SETTINGS, VOCABULARY, read_run_settings
from captioner.builder.schema import keys_of, part, read, save_settings
from captioner.builder.sections import Settings

__all__ = [
    "ENCODER",
    "SETTINGS",
    "VOCABULARY",
    "Settings",
    "keys_of",
    "load",
    "make_all_splits",
    "make_encoder",
    "make_model",
    "make_objective",
    "make_optimiser",
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
