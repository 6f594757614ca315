"""Formats of datasets: what reads them, by their content, and what writes them.

`registry.FORMATS` has one entry per format, each made in a file of its own. A reader turns a `Source` (a walked folder)
into a `Listing`: plain records of picture, labels, split and group. A writer turns such records into files.
"""
