"""Show a caption: what was written, and where on the photo the decoder looked for each word.

maps.py     map_on_photo: weights over regions, on the pixels of the original photo
colours.py  colour: numbers as colours, the one colour scale of every map
sheet.py    sheet, save_sheet, contact: one PNG for one caption, a panel for each word; several below one another
page.py     caption_page, save_page: one HTML file in which one points at words; heads, and other captions that decoding found
report.py   report_page: one HTML file for a scored split: the table, then every photo, worst first
payload.py  what the pages' script is given; web/ holds that script and the pages' style
"""
