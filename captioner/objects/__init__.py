"""Words that name objects.

synonyms.py  the words of COCO's 80 categories
words.py     finds the objects that a caption names, of these and of other categories
"""

from captioner.objects.synonyms import SYNONYMS
from captioner.objects.words import Named, ObjectWords

__all__ = ["SYNONYMS", "Named", "ObjectWords"]
