"""Show a caption: what was written, and where on the photo the decoder looked for each word.

maps.py     map_on_photo: weights over regions, on the pixels of the original photo
colours.py  colour: numbers as colours, the one colour scale of every map
sheet.py    sheet, save_sheet, contact: one PNG for one caption, a panel for each word; several below one another
"""
