"""Training.

contract.py            what an objective takes and returns
objectives.py          teacher forcing, and the table of objectives
self_critical.py       training on the score
distillation.py        teaching by trained models
reinforce.py           the loss term of attention that draws regions
object_maps.py         boxes of objects, to teach attention
word_evidence.py       where words could be seen, learned from captions, to teach attention
scheduled_sampling.py  reading some of the decoder's own words
optimisation.py        optimisers, schedules, gradient clipping
plan.py                options and progress
loop.py                epochs, validation, and when to save
step.py                one optimiser step: forward, backward, clip, step
distributed.py         several processes, and the device
averaging.py           a running average of the weights
resuming.py            the state from which a run resumes
checkpoints.py         safetensors files with a JSON header
stopping.py            signals that ask to stop
alarms.py              warnings of silent failures
run_log.py             JSON lines, and Weights & Biases on request
wandb_log.py           a run at Weights & Biases
tensorboard_log.py     a run in TensorBoard
"""
