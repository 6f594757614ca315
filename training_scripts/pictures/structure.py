"""What can be known of an encoded picture without decoding it."""

from __future__ import annotations

from typing import NamedTuple


class PictureUnreadable(ValueError):
    """A picture cannot be read; the message is one plain sentence that says why.

    `lasting`: the same content will never be readable, whatever else this machine is doing.
    """

    def __init__(self, sentence: str, lasting: bool = True) -> None:
        super().__init__(sentence)
        self.lasting = lasting


class Structure(NamedTuple):
    """What the structure of a file says; `width` and `height` in pixels as stored, 0 where it does not say.

    `settled`: nothing but damage within the compressed pixels could keep a decoder from reading it. Where it is not
    set, only decoding can tell. `scalable`: the decoder can read it at 1/2, 1/4 or 1/8 of its size. `deep`: it holds
    more than 8 bits a channel. `scans` is how often the decoder passes over the whole picture.
    """

    width: int = 0
    height: int = 0
    settled: bool = False
    scalable: bool = False
    deep: bool = False
    scans: int = 1


UNSETTLED = Structure()
"""Of a file whose structure says nothing for certain."""
