"""Training.

contract.py     what an objective takes and returns
objectives.py   losses                        step.py         one optimiser step: forward, backward, clip, step
optimisation.py optimisers, schedules, clip   loop.py         epochs, validation, and when to save
distributed.py  several processes             resuming.py     the state from which a run resumes
alarms.py       warnings of silent failures   checkpoints.py  safetensors files with a JSON header
plan.py         options and progress          stopping.py     signals that ask to stop
averaging.py    running average of weights    run_log.py      JSON lines, Weights & Biases
self_critical.py, reinforce.py, scheduled_sampling.py         parts of the objectives
"""
