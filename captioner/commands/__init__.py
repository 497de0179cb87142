"""The work of each command, in a folder with the command's name; `captioner/cli/` holds the options.

train/     train a model                     evaluate/  decode a split and score it
caption/   caption photos                    score/     score captions in result files
serve/     a web page                        inspect/   attention as numbers
demo/      a first look                      compare/   kinds of attention on one recipe
settings/  list the settings                 doctor/    check a data set
describe/  list the parts of a model         pack/      a small copy of a model, to share; a model card
runs/      a table of runs                   push/      upload a model to the hub
export/    ONNX and torch.export
curves/    training curves of runs

photo_sources.py has the photos of a run, as files or as stored regions, for all commands; outputs.py checks what commands are asked to
write.
"""

import numpy  # noqa: F401  # torch would import it, and ignore a Ctrl-C meanwhile
