"""What captions are worth: a run's on a split, and any model's from a file.

evaluating.py  a run decodes a split, and is scored beside its baselines
judged.py      captions of systems with what they are worth
baselines.py   captions without a captioner
protocol.py    what scores depend on besides the model
files.py       COCO result files, alone or one against another
printing.py    scores as a person sees them
page.py        scores as a page: worst photos first
"""

from captioner.evaluation.evaluating import MODEL, Evaluation, check_split, evaluate
from captioner.evaluation.files import Scored, score_files
from captioner.evaluation.page import save_page, save_page_of_files
from captioner.evaluation.printing import print_scores

__all__ = [
    "MODEL",
    "Evaluation",
    "Scored",
    "check_split",
    "evaluate",
    "print_scores",
    "save_page",
    "save_page_of_files",
    "score_files",
]
