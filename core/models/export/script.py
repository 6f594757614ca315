"""classify.py of an exported folder: what asks the model without Sagehound."""

from __future__ import annotations

from core.models.export.formats import ExportFormat
from training_scripts.backbones import Preprocessing
from training_scripts.pictures.reading import DRAFT_MARGIN

_SCRIPT = '''"""Classify pictures with {file}. It needs: pip install {packages}

python classify.py PICTURE ... prints one line of JSON for each.
"""

import io
import json
import sys
from pathlib import Path

{imports}
from PIL import Image, ImageCms, ImageOps

HERE = Path(__file__).resolve().parent
MODEL = HERE / "{file}"
CARD = json.loads((HERE / "model.json").read_text("utf-8"))
{load}


def listed(outputs):
    """Return the outputs of a network, one or several, as a list."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
{chosen}

def read(path):
    """Return a picture as the model sees it: {shape} uint8, upright RGB, transparency on white."""
    image = {source}
{frame}    image.draft(image.mode, ({needed}, {needed}))  # a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size
    image = ImageOps.exif_transpose(image)
{levels}    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "L", "CMYK"):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" not in ImageCms.getProfileDescription(source).lower():
            intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
            srgb = ImageCms.createProfile("sRGB")
            image = ImageCms.profileToProfile(image, source, srgb, intent, "RGB", flags=flags)
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        image = Image.new("RGB", image.size, "white")
        image.paste(shown, mask=shown)
    image = image.convert("RGB")
{framing}
    return np.asarray(image)[None]


def classify(path):
    """Return the classes with their probabilities, the most probable first; label and probability are of the first.

    A model that can say what it does not know adds how unlike known pictures this one is, and whether that is too much.
    """
    batch = read(path)
    scores, *strangeness = {call}
    ranked = sorted(zip(CARD["classes"], map(float, scores[0])), key=lambda pair: -pair[1])
    found = {{"label": ranked[0][0], "probability": ranked[0][1], "classes": dict(ranked)}}
    if strangeness and CARD.get("unknown"):
        found["strangeness"] = float(np.ravel(strangeness[0])[0])
        found["unknown"] = found["strangeness"] > CARD["unknown"]["threshold"]
    return found


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(json.dumps({{"picture": path, **classify(path)}}))
'''

_LEVELS = """\
    if image.mode.startswith("I") or image.mode == "F":  # more than 8 bits: between the values of black and white
        low, high = {levels}
        values = np.nan_to_num((np.asarray(image, np.float32) - low) * (255 / (high - low)))
        image = Image.fromarray((np.clip(values, 0, 255) + 0.5).astype(np.uint8))
"""
_SOURCE = "Image.open(io.BytesIO(Path(path).read_bytes()))"
_FRAME = {
    "first": "",
    "middle": '    image.seek(getattr(image, "n_frames", 1) // 2)\n',
    "last": '    image.seek(getattr(image, "n_frames", 1) - 1)\n',
}
_CHOSEN = """

def opened(path):
    \"\"\"Return the channels that were chosen, as red, green and blue.\"\"\"
    try:
        image = Image.open(io.BytesIO(Path(path).read_bytes()))
    except OSError:  # Pillow opens no picture of more than four channels
        import tifffile

        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            bands = page.asarray() if page.planarconfig == 1 else np.moveaxis(page.asarray(), 0, -1)
        bands, turned = bands[..., {chosen}], 1
    else:
{frame}        image.draft(image.mode, ({needed}, {needed}))
        turned = image.getexif().get(274, 1)
        bands = np.asarray(image.convert("RGB") if image.mode in "1P" else image)
        if bands.ndim == 2:  # a TIFF whose pages are the channels
            bands = np.stack([(image.seek(number), np.asarray(image))[1] for number in {chosen}], axis=-1)
        else:
            bands = bands[..., {chosen}]
{scaled}    image = Image.fromarray(bands)
    image.getexif()[274] = turned
    return image
"""
_SCALED = """\
    if bands.dtype != np.uint8:  # more than 8 bits: between the values of black and white
        low, high = {levels}
        bands = np.nan_to_num((bands.astype(np.float32) - low) * (255 / (high - low)))
        bands = (np.clip(bands, 0, 255) + 0.5).astype(np.uint8)
"""
_FRAMINGS = {
    "crop": """\
    side = min(image.size) * {size} / {resize}
    left, top = (image.width - side) / 2, (image.height - side) / 2
    image = image.resize(({size}, {size}), {filter}, box=(left, top, left + side, top + side))""",
    "squash": "    image = image.resize(({size}, {size}), {filter})",
    "pad": """\
    if max(image.size) > 2 * {resize}:
        shrink = 2 * {resize} / max(image.size)
        image = image.resize([max(1, round(side * shrink)) for side in image.size], {filter})
    square = Image.new("RGB", (max(image.size), max(image.size)), {mean})
    square.paste(image, ((square.width - image.width) // 2, (square.height - image.height) // 2))
    image = square.resize(({size}, {size}), {filter})""",
}

_VIEWS = """\
    whole, (width, height), short = image, image.size, min(image.size)

    def part(left, top, across, down):
        return whole.resize(({size}, {size}), {filter}, box=(left, top, left + across, top + down))

    def middle(side):
        return part((width - side) / 2, (height - side) / 2, side, side)

{framing}
    other = {other}
    ends = part(0, 0, short, short), part(width - short, height - short, short, short)
    image = np.stack([image, ImageOps.mirror(image), other, middle(short), *ends][:{views}])"""


def script(format_: ExportFormat, preprocessing: Preprocessing) -> str:
    """Return the text of classify.py for a model of this format and preprocessing."""
    framing = _FRAMINGS[preprocessing.framing].format(
        size=preprocessing.size,
        resize=preprocessing.resize,
        filter=f"Image.Resampling.{preprocessing.interpolation.upper()}",
        mean=tuple(round(255 * value) for value in preprocessing.mean),
    )
    if preprocessing.views > 1:
        other = f"middle(short * {preprocessing.size} / {preprocessing.resize})"
        framing = _VIEWS.format(
            size=preprocessing.size,
            filter=f"Image.Resampling.{preprocessing.interpolation.upper()}",
            framing=framing,
            other=other if preprocessing.framing == "squash" else "part(0, 0, width, height)",
            views=preprocessing.views,
        )
    chosen, frame, needed = "", _FRAME[preprocessing.frame], int(preprocessing.resize * DRAFT_MARGIN)
    if preprocessing.channels is not None:
        chosen = _CHOSEN.format(
            chosen=[channel - 1 for channel in preprocessing.channels],
            frame=frame.replace("    ", "        ", 1),
            needed=needed,
            scaled="" if preprocessing.levels is None else _SCALED.format(levels=preprocessing.levels),
        )
    return _SCRIPT.format(
        file=format_.file,
        packages=" ".join([*format_.runs_with, "numpy", "pillow", *(["tifffile"] if chosen else [])]),
        source="opened(path)" if chosen else _SOURCE,
        chosen=chosen,
        frame="" if chosen else frame,
        imports="\n".join(sorted((format_.imports, "import numpy as np"), key=_import_order)),
        load=format_.load,
        call=format_.call,
        shape=(1, *preprocessing.shape),
        needed=needed,
        levels="" if chosen or preprocessing.levels is None else _LEVELS.format(levels=preprocessing.levels),
        framing=framing,
    )


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from "), line.split()[1]
