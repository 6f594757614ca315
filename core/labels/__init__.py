"""Labels as events: what a person, a suggestion or a file said of pictures, kept apart from them and undone at will.

`events` is one row of the history, `label_state` folds a history over a scan, `labelling` changes labels, `session`
knows which changes undo takes back here, `suggest` says what to label next, `disk` writes labels into class folders.
"""
