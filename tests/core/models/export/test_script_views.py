"""classify.py of an exported model takes the views of a picture that training took."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.models.export.formats import FORMATS
from core.models.export.script import script
from training_scripts.backbones import FRAMINGS, Framing, Preprocessing
from training_scripts.preprocess import pixels


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("views", [1, 6])
def test_it_reads_a_picture_as_training_did(framing: Framing, views: int, tmp_path: Path) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    file = tmp_path / "a.png"
    Image.fromarray(coarse).resize((160, 100), Image.Resampling.BICUBIC).save(file)
    preprocessing = Preprocessing(64, 72, framing=framing, views=views)
    text = script(next(iter(FORMATS.values())), preprocessing)
    whole = text[text.index("def read(") : text.index("def classify(")]
    names: dict[str, object] = {}
    imports = "import io\nfrom pathlib import Path\nimport numpy as np\nfrom PIL import Image, ImageCms, ImageOps\n"
    exec(imports + whole, names)
    found = names["read"](file)  # type: ignore[operator]
    assert found.shape == (1, *preprocessing.shape)
    np.testing.assert_array_equal(found[0], pixels(file, preprocessing))
