"""DICOM files, the pictures of medicine, as the package pydicom reads them.

What a file says of how it is to be seen holds: its rescaling to units, its window, whether its low values are white.
A file with a window is a picture of 8 bits; one without is a measurement, whose black and white are the dataset's.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from PIL.ImageFile import ImageFile, _Tile

from training_scripts.pictures.structure import PictureUnreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL._imaging import PixelAccess
    from pydicom import Dataset

_LOW_IS_WHITE = "MONOCHROME1"
_GREYS = (_LOW_IS_WHITE, "MONOCHROME2")


class DicomImageFile(ImageFile):
    """A DICOM file of one picture or several; the first is shown until another is sought."""

    format, format_description = "DICOM", "Digital Imaging and Communications in Medicine"

    def _open(self) -> None:
        import pydicom

        self._data: Dataset = pydicom.dcmread(cast(BinaryIO, self.fp))
        if "PixelData" not in self._data and "FloatPixelData" not in self._data:
            raise PictureUnreadable("The DICOM file holds no picture.")
        self._size = int(self._data.Columns), int(self._data.Rows)
        self.n_frames = max(1, int(self._data.get("NumberOfFrames", 1) or 1))
        self._frame = 0
        grey = str(self._data.PhotometricInterpretation) in _GREYS
        self._window = grey and ("WindowCenter" in self._data or "VOILUTSequence" in self._data)
        self._mode = "RGB" if not grey else "L" if self._window else "F"

    def seek(self, frame: int) -> None:
        """Choose a picture of the file, counted from 0."""
        if not 0 <= frame < self.n_frames:
            raise EOFError("There are no more frames in the file.")
        self._frame, self._im = frame, None

    def tell(self) -> int:
        """Return which picture is chosen."""
        return self._frame

    def load(self) -> PixelAccess | None:
        """Decode the picture that is chosen."""
        if self._im is None:
            values = self._grey() if self.mode != "RGB" else self._colours()
            raw = {"L": "L", "RGB": "RGB", "F": "F;32F"}[self.mode]
            self.fp = io.BytesIO(np.ascontiguousarray(values).tobytes())
            self.tile = [_Tile("raw", (0, 0, *self.size), 0, (raw, 0, 1))]
        return super().load()

    def _decoded(self) -> NDArray[np.generic]:
        from pydicom.pixels.utils import pixel_array

        try:
            found: NDArray[np.generic] = pixel_array(self._data, index=self._frame)
        except (RuntimeError, NotImplementedError, AttributeError) as error:
            how = getattr(self._data.file_meta.get("TransferSyntaxUID"), "name", "")
            if isinstance(error, AttributeError) or not how:
                raise PictureUnreadable("The DICOM file lacks what its picture needs.") from None
            raise PictureUnreadable(
                f"The DICOM file's compression ({how}) is not read: uncompressed, RLE, JPEG and JPEG 2000 are."
            ) from None
        return found

    def _colours(self) -> NDArray[np.uint8]:
        values = self._decoded()
        if str(self._data.PhotometricInterpretation) == "PALETTE COLOR":
            from pydicom.pixels.processing import apply_color_lut

            values = apply_color_lut(values, self._data)
        if values.dtype != np.uint8:
            values = values >> max(0, int(self._data.BitsStored) - 8)  # type: ignore[operator]
        if values.ndim != 3 or values.shape[2] < 3:
            raise PictureUnreadable(f"The DICOM file's colours ({self._data.PhotometricInterpretation}) are not read.")
        return values[..., :3].astype(np.uint8)

    def _grey(self) -> NDArray[np.generic]:
        """Return values in their unit as float32, or through their window as uint8; high is white."""
        from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

        values = apply_modality_lut(self._decoded(), self._data)
        white_low = str(self._data.PhotometricInterpretation) == _LOW_IS_WHITE  # as on a film
        if not self._window:
            measured = values.astype("<f4")
            return -measured if white_low else measured
        shown = np.asarray(apply_voi_lut(values, self._data), np.float64)
        low, high = self._ends()
        grey = np.clip((shown - low) * (255 / max(high - low, 1e-12)), 0, 255) + 0.5
        return (255 - grey.astype(np.uint8)) if white_low else grey.astype(np.uint8)

    def _ends(self) -> tuple[float, float]:
        """Return what the window makes of all that is below it and above it."""
        from pydicom.pixels.processing import apply_voi_lut

        if "VOILUTSequence" in self._data:
            return 0.0, float(2 ** int(self._data.VOILUTSequence[0].LUTDescriptor[2]) - 1)
        with np.errstate(over="ignore"):
            low, high = apply_voi_lut(np.array([-1e15, 1e15]), self._data)
        return float(low), float(high)
