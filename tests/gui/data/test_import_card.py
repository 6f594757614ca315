"""What is no folder of class folders: how it was read, the choices of a refusal, and files that are dropped."""

import shutil

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl

from core.dataset.records import ReadOptions
from gui.data.import_card import ReadForm
from gui.data.write_dialog import WriteDialog
from gui.window.drops import datasets_in


@pytest.fixture
def table(dataset_folder, tmp_path):
    """The pictures of the flowers in one folder, and a table of their names."""
    (dataset_folder / "rose" / "broken.png").unlink()
    root = tmp_path / "table"
    (root / "images").mkdir(parents=True)
    rows = ["image,label"]
    for file in sorted(dataset_folder.rglob("*.png")):
        shutil.copy(file, root / "images")
        rows.append(f"{file.name},{file.parent.name}")
    (root / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


def opened(tab, qtbot, path):
    tab.open_folder(path)
    qtbot.waitUntil(lambda: tab.manifest is not None, timeout=15000)


def test_class_folders_need_no_word(tab, qtbot, dataset_folder):
    opened(tab, qtbot, dataset_folder)
    assert not tab.reading.isVisible()


def test_a_table_says_how_it_was_read(tab, qtbot, table):
    opened(tab, qtbot, table)
    assert tab.manifest.classes == ("daisy", "rose", "tulip")
    assert tab.reading.isVisible()
    assert tab.reading.accessibleDescription().startswith("labels.csv: a table of 30 rows")
    assert [tab.reading.rows.itemAtPosition(row, 1).widget().text() for row in range(5)][::4] == ["daisy", "tulip"]


def test_a_file_of_labels_and_an_archive_are_opened(tab, qtbot, table, tmp_path):
    opened(tab, qtbot, table / "labels.csv")
    assert (tab.manifest.root, len(tab.manifest.pictures)) == (table, 30)
    archive = shutil.make_archive(str(tmp_path / "flowers"), "zip", table)
    version = tab.manifest.version
    opened(tab, qtbot, tmp_path / "flowers.zip")
    assert archive.endswith("flowers.zip")
    assert tab.manifest.version == version
    assert tab.manifest.root.is_relative_to(tab._workbench.paths.imports)
    tab.write.click()
    assert tab.findChild(WriteDialog).target.text() == str(tmp_path / "flowers-labelled"), "not in a folder of ours"


def test_a_prefix_in_s3_is_opened(tab, qtbot, dataset_folder, bucket):
    for file in dataset_folder.rglob("*.png"):
        bucket.upload_file(str(file), f"flowers/{file.relative_to(dataset_folder).as_posix()}")
    dialog = tab.ask_address()
    dialog.setTextValue(f" s3://{bucket.name}/flowers ")
    dialog.accept()
    qtbot.waitUntil(lambda: tab.manifest is not None, timeout=15000)
    assert tab.manifest.classes == ("daisy", "rose", "tulip")
    assert tab.manifest.root.is_relative_to(tab._workbench.paths.imports)


def test_a_refusal_offers_the_ways_to_read_it(tab, qtbot, table):
    text = (table / "labels.csv").read_text(encoding="utf-8").splitlines()
    rows = [f"{row},{'ab'[at % 2]}" for at, row in enumerate(text[1:])]
    (table / "labels.csv").write_text("\n".join(["image,art,seite", *rows]), encoding="utf-8")
    tab.open_folder(table)
    qtbot.waitUntil(tab._error.isVisible, timeout=15000)
    assert [made.text() for made in tab._error.offer_buttons][:2] == ["The label is art", "The label is seite"]
    qtbot.mouseClick(tab._error.offer_buttons[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.manifest is not None, timeout=15000)
    assert tab.manifest.classes == ("daisy", "rose", "tulip")
    assert tab.manifest.options.columns == "image=image,label=art"


def test_the_form_reads_it_differently(tab, qtbot, table):
    opened(tab, qtbot, table)
    tab.reading.change.click()
    tab.reading.form.fields["name_pattern"].setText("{label}-{number}")
    tab.dataset.manifest = None
    tab.reading.form.apply.click()
    qtbot.waitUntil(lambda: tab.manifest is not None, timeout=15000)
    assert tab.manifest.options == ReadOptions(name_pattern="{label}-{number}")


def test_the_form_keeps_every_option(qtbot):
    form = ReadForm()
    qtbot.addWidget(form)
    options = ReadOptions(format="csv", labels="a.csv", columns="image=a,label=b", name_pattern="{label}_*")
    form.set_options(options)
    assert form.options == options


def test_drops_that_are_datasets(table, tmp_path):
    def dropped(*paths):
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        return datasets_in(mime)

    picture = next(table.rglob("*.png"))
    assert dropped(table) == [table]
    assert dropped(table / "labels.csv") == [table / "labels.csv"]
    assert dropped(picture) == []
    assert dropped(table, picture) == []
    assert dropped(table, tmp_path) == [table, tmp_path]
    assert dropped(tmp_path / "gone.zip") == []
