"""Pictures of every usual kind as 8-bit RGB, the same way for scan, training, prediction and thumbnails.

`formats` has one object per format, `opening` the one way to open their files, `reading` the one way to their pixels,
`levels` the grey scale of deep pictures, `colour` the colour profiles. Pillow and numpy only: a deployed model carries
this folder.
"""
