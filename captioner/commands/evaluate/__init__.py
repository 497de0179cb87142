"""Decode a split with a run and score it.

evaluation.py         decodes a split, scores it with its baselines, and writes results.json and scores.json
baseline_captions.py  baselines: the most frequent training caption, and captions of the nearest training photos
results_folder.py     where the results lie; other data than the run's has folders of its own
run_protocol.py       the protocol: what scores depend on besides the model
system.py             systems with their captions and scores
score_tables.py       scores on a terminal
pages.py, report.py   scores as an HTML page, worst photos first
"""

from captioner.commands.evaluate.evaluation import MODEL, Evaluation, check_split, evaluate
from captioner.commands.evaluate.pages import save_page
from captioner.commands.evaluate.score_tables import print_scores

__all__ = ["MODEL", "Evaluation", "check_split", "evaluate", "print_scores", "save_page"]
