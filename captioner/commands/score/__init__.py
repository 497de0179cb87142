"""Score captions of any model, given as result files."""

from captioner.commands.evaluate.score_tables import print_scores
from captioner.commands.score.score_files import ScoredFiles, score_files
from captioner.commands.score.score_page import save_page_of_files

__all__ = ["ScoredFiles", "print_scores", "save_page_of_files", "score_files"]
