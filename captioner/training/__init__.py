"""How weights are learned.

objectives.py   what is minimised            loop.py         the steps, validation, and when to save
optimisation.py optimisers, schedules, clip  resuming.py     all that a training goes on from
distributed.py  many processes               checkpoints.py  safetensors and JSON, whole or not there
alarms.py       what goes wrong silently     stopping.py     being asked to stop
plan.py         what a training is told      run_log.py      JSON lines, Weights & Biases
"""
