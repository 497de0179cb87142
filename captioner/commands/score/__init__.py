"""Score captions of any model, given as result files.

score_files.py  scores of one file, or of two and their differences
score_page.py   the page: scores, and every photo with its caption
"""

from captioner.commands.evaluate.score_tables import print_scores
from captioner.commands.score.score_files import ScoredFiles, score_files
from captioner.commands.score.score_page import save_page_of_files

__all__ = ["ScoredFiles", "print_scores", "save_page_of_files", "score_files"]
