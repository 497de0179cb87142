"""The one place where settings meet parts.

config.py     YAML files, overrides, and checks against signatures
sections.py   what a section holds besides the part that its kind names
renamed.py    settings under their earlier names
schema.py     settings checked against the constructors of the parts they name
parts.py      makes the parts, with the sizes that follow from one another
construct.py  calls their constructors, and checks what they made
taught_maps.py  the boxes of training photos, as maps that teach attention
run_folder.py a run folder: checks, its lock, and reading its settings and weights
run_files.py  the list of its files
loading.py    models: new, initialised from another run, or trained; the bundled model
teachers.py   trained models that teach another one
hub.py        models on the Hugging Face hub
"""

from captioner.builder.loading import NATURAL, load, make_start, model_folder, read_vocabulary, results_root
from captioner.builder.parts import (
    check_training_parts,
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
    "NATURAL",
    "SETTINGS",
    "VOCABULARY",
    "Settings",
    "check_training_parts",
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
    "model_folder",
    "part",
    "read",
    "read_run_settings",
    "read_vocabulary",
    "results_root",
    "save_settings",
]
