"""Caption photos, and write captions, maps and pictures to files.

photos.py    finds photos, captions them, writes tables and json
pictures.py  sheets, strips, heads and animations
photo_pages.py  an HTML page, of one model or of several side by side
accounts.py  attention beside maps from gradients, and of each layer
"""

from captioner.commands.caption.photos import as_json, run

__all__ = ["as_json", "run"]
