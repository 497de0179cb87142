"""Words: how captions are cut into words, which words a model can write, and which of them name objects.

vocabulary.py       words and their numbers
tokens.py           the rules that cut a caption into words, by the name a config gives them
endings.py          words that no caption ends with
ptb.py              coco-caption's tokens without Java; ptb_rules.py and ptb_alphabet.py are its tables
objects.py          finds the objects that a caption names; object_synonyms.py has the words of COCO's categories
"""
