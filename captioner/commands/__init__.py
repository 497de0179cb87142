"""The work behind every command, in a folder with the name that one types; `captioner/cli/` holds their options.

photo_sources.py  the photos of a run, read or stored, for every command that needs them
"""
