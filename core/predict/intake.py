"""From what was dropped, pasted or opened to the pictures that are to be classified. Nothing is decoded here."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from core.errors import PictureError
from core.predict.records import Source
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import plural, tr

Item = Path | bytes | str
"""What arrives: a file or folder, the bytes of a picture, or an address (file:, data:, http:)."""

MAX_BYTES = 512 * 1024 * 1024
_REPORT_EVERY = 200


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """A picture to be classified and the name to show for it."""

    name: str
    source: Source


@dataclass(frozen=True, slots=True)
class Intake:
    """The pictures found, in a stable order, and one error for each item that gave none.

    `ignored` counts files in folders that are not pictures by their ending nor by their content.
    """

    pictures: tuple[NamedPicture, ...]
    refused: tuple[PictureError, ...]
    ignored: int = 0

    @property
    def error(self) -> PictureError | None:
        """Return one error for all that was refused: the first in full, and how many more there are."""
        if len(self.refused) < 2:
            return self.refused[0] if self.refused else None
        first = self.refused[0]
        return PictureError(
            first.what,
            tr("{count:,} more items gave no picture either.").format(count=len(self.refused) - 1),
            first.fix,
        )


def gather(
    items: Sequence[Item], on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> Intake:
    """Find the pictures in `items`: folders recursively, files and bytes as they are.

    One bad item never hides the others: it becomes one of `refused`.

    Raises:
        Cancelled: through `cancel`.
    """
    finder = _Finder(on_progress, cancel or CancelToken())
    refused: list[PictureError] = []
    for item in items:
        try:
            finder.add(item)
        except PictureError as error:
            refused.append(error)
    return Intake(tuple(finder.pictures), tuple(refused), finder.ignored)


class _Finder:
    def __init__(self, on_progress: OnProgress, cancel: CancelToken) -> None:
        self.pictures: list[NamedPicture] = []
        self.ignored = 0
        self._pasted = 0
        self._report, self._cancel = on_progress, cancel

    def add(self, item: Item) -> None:
        if isinstance(item, bytes):
            self._add_bytes(item)
        elif isinstance(item, Path):
            self._add_path(item)
        else:
            self._add_address(item)

    def _add_bytes(self, data: bytes) -> None:
        if not data:
            raise PictureError(tr("The picture that arrived is empty."), fix=tr("Save it as a file and drop the file."))
        if len(data) > MAX_BYTES:
            raise PictureError(
                tr("The picture that arrived is larger than 512 MB."), fix=tr("Save it as a file and drop that.")
            )
        self._pasted += 1
        name = plural("Pasted picture", "Pasted picture {count}", self._pasted)
        self.pictures.append(NamedPicture(name, data))

    def _add_path(self, path: Path) -> None:
        try:
            if path.is_dir():
                self._add_folder(path)
            elif path.exists():
                self.pictures.append(NamedPicture(path.name, path))
            else:
                raise PictureError(
                    tr("{name} is not there any more.").format(name=path.name),
                    tr("It was moved or deleted."),
                    tr("Choose it again."),
                )
        except OSError as error:
            raise PictureError(
                tr("{name} cannot be opened.").format(name=path.name), f"{error.strerror or error}."
            ) from None

    def _add_folder(self, folder: Path) -> None:
        from training_scripts.pictures.opening import is_picture  # it brings Pillow, which one file does not need

        found = 0
        for path in self._walk(folder):
            if is_picture(path):
                found += 1
                self.pictures.append(NamedPicture(path.relative_to(folder).as_posix(), path))
                if found % _REPORT_EVERY == 0:
                    self._report(
                        Progress(
                            len(self.pictures), None, tr("Looking through {name}").format(name=folder.name), "pictures"
                        )
                    )
            else:
                self.ignored += 1
        if not found:
            raise PictureError(
                tr("The folder {name} has no pictures in it.").format(name=folder.name or folder),
                tr("None of its files, nor of its subfolders', ends in a picture's suffix such as .jpg or .png."),
                tr("Drop a picture, or a folder of pictures."),
            )

    def _walk(self, folder: Path) -> Iterator[Path]:
        # Links to folders are not followed: they may lead back up, and what they show was not dropped.
        for parent, folders, files in os.walk(folder):
            self._cancel.raise_if_cancelled()
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith("."):
                    yield Path(parent, name)

    def _add_address(self, address: str) -> None:
        scheme = urlsplit(address).scheme.lower() if "://" in address or address.startswith("data:") else ""
        if scheme == "file":
            self._add_path(_path_of(address))
        elif scheme == "data":
            self._add_bytes(_data_of(address))
        elif scheme:
            host = urlsplit(address).hostname or tr("the web")
            raise PictureError(
                tr("Only the address of a picture on {host} arrived, not the picture.").format(host=host),
                tr("Sagehound fetches nothing from the web by itself."),
                tr("Choose Copy image in the browser and paste it here, or save it and drop the file."),
            )
        else:
            raise PictureError(
                tr("A piece of text arrived, not a picture."), fix=tr("Drop a picture or a folder of pictures.")
            )


def _path_of(address: str) -> Path:
    parts = urlsplit(address)
    host = f"//{parts.netloc}" if parts.netloc not in ("", "localhost") else ""
    # Imported late: it brings HTTP and TLS along. It knows Windows drives and shares; it unquotes by itself.
    from urllib.request import url2pathname

    return Path(url2pathname(host + parts.path))


def _data_of(address: str) -> bytes:
    head, comma, body = address.partition(",")
    if not comma or not head[5:].lower().startswith("image/"):
        raise PictureError(
            tr("What was dragged here is not a picture."), fix=tr("Drop a picture or a folder of pictures.")
        )
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(unquote(body), validate=False)
    except binascii.Error:
        raise PictureError(
            tr("The picture that was dragged here is damaged."), fix=tr("Save it and drop the file.")
        ) from None
