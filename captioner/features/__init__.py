"""Regions on disk, and the photos that they are computed from.

store.py         regions that a frozen encoder computed once, in half precision, memory-mapped
store_index.py   which photo has which row of a store
sources.py       photo files as a source of batches; flips and quarter turns of a photo
stored_regions.py  stored regions as a source of batches
region_files.py  published regions, one file for each photo
training_photos.py  how unlike its training photos a photo is, as a packed model says
"""
