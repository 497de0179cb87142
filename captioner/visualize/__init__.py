"""Show a caption: what was written, and where on the photo the decoder looked for each word.

maps.py     map_on_photo: weights over regions, on the pixels of the original photo
colours.py  colour, covered: numbers as colours, the one colour scale of every map
overlay.py  Style; maps over the photo, and the words that say how to read them
sheet.py    sheet, save_sheet, contact: one picture for one caption, a panel for each word; several below one another
strips.py   strip, side_by_side, heads: small maps over words
animation.py  save_animation: word after word, as a GIF
drawing.py  Drawing: texts and patches at their places, saved as PNG or PDF; fonts.py finds their letters
notebook.py  show: what Jupyter displays; widget.py is its widget
page.py     caption_page, save_page: one HTML file in which one points at words; heads, and other captions that decoding found
report.py   report_page: one HTML file for a scored split: the table, then every photo, worst first
card.py     an inspection as a figure, comparison.py a comparison; figures.py is how both are made without pyplot
payload.py  what the pages' script is given; web/ holds that script and the pages' style
"""
