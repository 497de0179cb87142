"""Words: tokenisers, the vocabulary, and the words that name objects.

vocabulary.py       words and their numbers
tokens.py           tokenisers, by the name a config gives them
ptb.py              coco-caption's tokeniser without Java
ptb_rules.py        its rules
ptb_alphabet.py     the alphabet of its rules
endings.py          words that no caption ends with
function_words.py   English words that name nothing one could see
objects.py          finds the objects that a caption names
object_synonyms.py  words for COCO's categories
"""
