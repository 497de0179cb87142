"""Caption photos, and write captions, maps and pictures to files.

photos.py    finds photos, captions them, writes tables and json
pictures.py  sheets, strips, heads and animations
accounts.py  attention beside maps from gradients
"""

from captioner.commands.caption.photos import as_json, run

__all__ = ["as_json", "run"]
