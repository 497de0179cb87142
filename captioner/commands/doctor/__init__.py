"""Check a data set before training on it.

diagnosis.py does all of it, with the checks of captioner/data/checks.py.
"""

from captioner.commands.doctor.diagnosis import diagnose, rows_of_parts, write_leave_out

__all__ = ["diagnose", "rows_of_parts", "write_leave_out"]
