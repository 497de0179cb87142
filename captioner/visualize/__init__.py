"""Pictures and pages of captions: the words, and where on the photo the decoder attended for each of them.

maps.py       map_on_photo: weights over regions, drawn on the pixels of the original photo
reveal.py     the photo in colour, darkened where a map has less weight than a uniform one
colours.py    the colours of the other styles
painters.py   PAINTERS: every style of maps, with its scale
overlay.py    Style; maps over the photo
legend.py     which words get a map, their notes, and the legend
sheet.py      sheet, save_sheet, contact: a picture of a caption with a panel for each word; several below one another
strips.py     strip, side_by_side, heads: small maps over words
animation.py  save_animation: word after word, as a GIF or WebP
drawing.py    Drawing: texts and images with positions
drawing_files.py  PNG, PDF and SVG
fonts.py      fonts that have the letters of a text
notebook.py   show: what Jupyter displays
widget.py     the widget that `show` returns in Jupyter
page.py       caption_page, save_page: an interactive HTML file with maps, heads and candidates
payload.py    the data for the pages' script; web/ holds that script and the pages' style
figures.py    figures without pyplot
"""
