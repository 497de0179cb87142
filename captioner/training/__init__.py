"""How weights are learned.

objectives.py   what is minimised            loop.py         the steps, validation, going on where it stopped
optimisation.py optimisers, schedules, clip  checkpoints.py  safetensors and JSON, whole or not there
distributed.py  many processes               run_log.py      JSON lines, Weights & Biases
alarms.py       what goes wrong silently     plan.py        what a training is told, how far it has come
"""
