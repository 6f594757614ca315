"""Each reader on what its program writes: labels, splits, what is missing, and the refusals with their offers."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.dataset import scan, split
from core.errors import DatasetError
from core.formats.registry import FORMATS
from tests.core.formats.drawn import CATS, DOGS, SAID, flat, labels, listing, pictures, said, splits, text
from tests.core.formats.tables import of_all, table

# Tables


# File names


def test_labels_in_file_names_are_proposed_and_taken_when_chosen(tmp_path: Path) -> None:
    names = [f"{label}.{at}.jpg" for label in ("cat", "dog") for at in range(4)]
    pictures(tmp_path, *(f"train/{name}" for name in names))
    with pytest.raises(DatasetError) as refused:
        listing(tmp_path)
    (offer, *_) = refused.value.offers
    assert offer.options.name_pattern == "{label}.{number}"
    assert offer.title == "Take the class from the file names: cat (4) and dog (4)"
    assert labels(listing(tmp_path, name_pattern="{label}.{number}")) == {f"train/{name}": name[:3] for name in names}


def test_names_of_the_train_folder_are_proposed_beside_unnamed_test_pictures(tmp_path: Path) -> None:
    names = [f"train/{label}.{at}.jpg" for label in ("cat", "dog") for at in range(4)]
    pictures(tmp_path, *names, *(f"test1/{at}.jpg" for at in range(8)))
    with pytest.raises(DatasetError) as refused:
        listing(tmp_path)
    (offer,) = refused.value.offers
    assert labels(listing(tmp_path, name_pattern=offer.options.name_pattern)) == {name: name[6:9] for name in names}


def test_a_file_that_is_read_is_not_named_as_something_else_too(tmp_path: Path) -> None:
    flat(tmp_path, "train")
    found = scan(text(tmp_path, "train/metadata.csv", table(of_all("file_name", "label"))))
    assert {problem.kind for problem in found.problems} & {"other-labels", "non-image"} == set()


@pytest.mark.parametrize(
    ("pattern", "name", "label"),
    [
        ("{label}_{number}", "american_bulldog_100.jpg", "american_bulldog"),
        ("*_{label}", "img_0001_cat.jpg", "cat"),
        ("{label}_*", "cat_black_01.jpg", "cat"),
        ("{group}-{label}-{number}", "p7-cat-3.jpg", "cat"),
        ("*/{label}/{number}", "deep/cat/3.jpg", "cat"),
    ],
)
def test_patterns_of_file_names(tmp_path: Path, pattern: str, name: str, label: str) -> None:
    assert labels(listing(pictures(tmp_path, name), name_pattern=pattern)) == {name: label}


@pytest.mark.parametrize("pattern", ["cat", "{label}{label}", "{klass}.{number}"])
def test_patterns_without_a_label_are_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(DatasetError, match="is not a pattern of file names"):
        listing(pictures(tmp_path, "cat.0.jpg"), name_pattern=pattern)


# Annotation tools


def coco(names: tuple[str, ...]) -> str:
    images = [{"id": at, "file_name": name, "width": 24, "height": 16} for at, name in enumerate(names)]
    annotations = [
        {"id": at, "image_id": at, "category_id": 1 + (name[0] == "d"), "bbox": [0, 0, 1, 1]}
        for at, name in enumerate(names)
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def test_coco_with_a_file_for_each_split(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{'val' if name[3] == '3' else 'train'}2017/{name}" for name in SAID))
    text(tmp_path, "annotations/instances_train2017.json", coco(CATS[:3] + DOGS[:3]))
    text(tmp_path, "annotations/instances_val2017.json", coco(CATS[3:] + DOGS[3:]))
    found = listing(tmp_path)
    assert (found.format, len(labels(found)), found.layout) == ("coco", 8, "splits")
    assert splits(found)["val2017/dog3.jpg"] == "valid"
    assert labels(found)["val2017/dog3.jpg"] == "dog"


def test_coco_as_roboflow_writes_it(tmp_path: Path) -> None:
    for folder, at in {"train": slice(0, 3), "valid": slice(3, 4)}.items():
        pictures(tmp_path, *(f"{folder}/{name}" for name in CATS[at] + DOGS[at]))
        text(tmp_path, f"{folder}/_annotations.coco.json", coco(CATS[at] + DOGS[at]))
    assert splits(listing(tmp_path))["valid/cat3.jpg"] == "valid"


def test_coco_whose_annotations_do_not_fit_is_refused(tmp_path: Path) -> None:
    broken = json.loads(coco(CATS))
    broken["annotations"][0]["category_id"] = 99
    with pytest.raises(DatasetError, match=r"\(COCO\) cannot be read. What it says does not fit together"):
        listing(text(flat(tmp_path), "labels.json", json.dumps(broken)))


def test_cvat_tags_and_shapes(tmp_path: Path) -> None:
    images = [
        f'<image id="{at}" name="{name}"><tag label="{label}"/></image>'
        for at, (name, label) in enumerate(SAID.items())
    ]
    text(flat(tmp_path), "annotations.xml", f"<annotations><version>1.1</version>{''.join(images)}</annotations>")
    found = listing(tmp_path)
    assert (found.format, labels(found)) == ("cvat", said())
    text(tmp_path, "annotations.xml", f"<annotations>{''.join(images)}</annotations>".replace("<tag", "<box"))
    assert labels(listing(tmp_path)) == said()


def test_an_xml_that_declares_entities_is_not_read(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><annotations><image name="&b;"/></annotations>'
    with pytest.raises(DatasetError):
        listing(text(flat(tmp_path), "annotations.xml", bomb))


@pytest.mark.parametrize("short", [False, True])
def test_label_studio(tmp_path: Path, short: bool) -> None:
    tasks: list[object] = []
    for name, label in SAID.items():
        address = f"/data/upload/1/0a1b2c3d-{name}" if name[3] < "2" else f"/data/local-files/?d=images%2F{name}"
        result = [{"value": {"choices": [label]}, "type": "choices", "from_name": "c", "to_name": "image"}]
        annotations = [{"was_cancelled": True, "result": []}, {"result": result}]
        long = {"data": {"image": address}, "annotations": annotations[::-1] if name[3] == "0" else annotations}
        tasks.append({"image": address, "choice": label, "annotation_id": 1} if short else long)
    found = listing(text(flat(tmp_path), "project-1.json", json.dumps(tasks)))
    assert (found.format, labels(found)) == ("label-studio", said())


def test_fiftyone_exports(tmp_path: Path) -> None:
    flat(tmp_path, "data")
    targets = {name.removesuffix(".jpg"): int(label == "dog") for name, label in SAID.items()}
    text(tmp_path, "labels.json", json.dumps({"classes": ["cat", "dog"], "labels": targets}))
    found = listing(tmp_path)
    assert (found.format, labels(found)) == ("fiftyone", said("data"))
    samples = [
        {"filepath": f"data/{name}", "tags": ["train"], "truth": {"_cls": "Classification", "label": label}}
        for name, label in SAID.items()
    ]
    (tmp_path / "labels.json").unlink()
    text(tmp_path, "samples.json", json.dumps({"samples": samples}))
    assert labels(listing(tmp_path)) == said("data")


def test_hugging_face_imagefolder(tmp_path: Path) -> None:
    flat(tmp_path, "train")
    text(tmp_path, "train/metadata.csv", table(of_all("file_name", "label")))
    found = listing(tmp_path)
    assert (found.format, labels(found)) == ("huggingface", said("train"))
    (tmp_path / "train/metadata.csv").unlink()
    lines = [json.dumps({"file_name": name, "labels": [label, "animal"]}) for name, label in SAID.items()]
    text(tmp_path, "train/metadata.jsonl", "\n".join(lines))
    assert labels(listing(tmp_path))["train/cat0.jpg"] == "animal+cat"


def test_parquet_without_pyarrow_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (flat(tmp_path, "train") / "train/metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match="needs the package pyarrow"):
        listing(tmp_path)


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        json.dumps({"image": name, "label": label, "split": "val" if name[3] == "3" else "train"})
        for name, label in SAID.items()
    ]
    found = listing(text(flat(tmp_path), "labels.jsonl", "\n".join(lines)))
    assert (found.format, labels(found)) == ("jsonl", said())
    assert splits(found)["images/cat3.jpg"] == "valid"


def test_teachable_machine_project(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{label} one-!-{name[3]}.jpg" for name, label in SAID.items()))
    text(tmp_path, "manifest.json", json.dumps({"type": "image", "version": "2.4.7", "appdata": {}}))
    found = listing(tmp_path)
    assert (found.format, set(labels(found).values())) == ("teachable-machine", {"cat one", "dog one"})


def test_lobe_project(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"data/blobs/{name.removesuffix('.jpg')}" for name in SAID))
    text(tmp_path, "project.json", json.dumps({"id": "1", "meta": {"name": "pets"}}))
    with closing(sqlite3.connect(tmp_path / "db.sqlite")) as database, database:
        database.execute("CREATE TABLE example_images (example_id TEXT, hash TEXT)")
        database.execute("CREATE TABLE example_labels (example_id TEXT, label TEXT)")
        for name, label in SAID.items():
            database.execute("INSERT INTO example_images VALUES (?, ?)", (name, name.removesuffix(".jpg")))
            if name != "cat0.jpg":
                database.execute("INSERT INTO example_labels VALUES (?, ?)", (name, label))
    found = listing(tmp_path)
    assert found.format == "lobe"
    assert labels(found) == {
        f"data/blobs/{name.removesuffix('.jpg')}": SAID[name] for name in SAID if name != "cat0.jpg"
    }


# Camera traps


def test_megadetector(tmp_path: Path) -> None:
    pictures(tmp_path, "site a/1.jpg", "site a/2.jpg", "site b/1.jpg", "site b/2.jpg")
    seen = [{"category": "1", "conf": 0.9, "classifications": [["0", 0.2], ["1", 0.7]]}, {"category": "2", "conf": 0.3}]
    images = [
        {"file": "site a/1.jpg", "detections": seen},
        {"file": "site a/2.jpg", "detections": [{"category": "2", "conf": 0.15}]},
        {"file": "site b/1.jpg", "detections": [{"category": "2", "conf": 0.5}]},
        {"file": "site b/2.jpg", "failure": "unreadable", "detections": None},
    ]
    data = {
        "info": {"format_version": "1.5", "detector_metadata": {"typical_detection_threshold": 0.2}},
        "detection_categories": {"1": "animal", "2": "person"},
        "classification_categories": {"0": "deer", "1": "fox"},
        "images": images,
    }
    found = listing(text(tmp_path, "md.json", json.dumps(data)), labels="md.json")
    assert labels(found) == {"site a/1.jpg": "fox", "site a/2.jpg": "empty", "site b/1.jpg": "person"}
    assert {example.path: example.group for example in found.examples}["site a/1.jpg"] == "site a"
    assert found.problems[0].kind == "machine-labels"


def test_timelapse(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"st1/{name}" for name in CATS), *(f"st2/{name}" for name in DOGS))
    rows = [[name, f"st{1 + (label == 'dog')}", "2026-01-01", "false", label] for name, label in SAID.items()]
    header = ["File", "RelativePath", "DateTime", "DeleteFlag", "Species"]
    found = listing(text(tmp_path, "TimelapseData.csv", table([header, *rows])), labels="TimelapseData.csv")
    assert (found.format, set(labels(found).values())) == ("timelapse", {"cat", "dog"})
    header[-1], rows[0][3] = "Art", "true"
    text(tmp_path, "TimelapseData.csv", table([[*header, "Zahl"], *([*row, "1"] for row in rows)]))
    with pytest.raises(DatasetError, match="which of its columns is the label") as refused:
        listing(tmp_path, labels="TimelapseData.csv")
    chosen = refused.value.offers[0].options
    again = listing(tmp_path, labels=chosen.labels, columns=chosen.columns)
    assert len(labels(again)) == 7


# Lists


def test_a_list_of_paths_and_labels(tmp_path: Path) -> None:
    content = "\n".join(f"images/{name} {label}" for name, label in SAID.items())
    found = listing(text(flat(tmp_path), "list.txt", content))
    assert (found.format, labels(found)) == ("list", said())


@pytest.mark.parametrize(
    ("line", "suffix"),
    [
        ("https://a.b/c/{name} {label}", ""),
        ("https://a.b/other/{name}?size=3&of=/x/y\t{label} one", " one"),
        ("https://a.b/other/{name}?size=3 {label} one", " one"),
        ("https://a.b/{label}%20one/{name}?of=/x/y", " one"),
        ("s3://bucket/my pictures/{name} {label}", ""),
    ],
)
def test_a_list_of_addresses_that_were_fetched(tmp_path: Path, line: str, suffix: str) -> None:
    content = "\n".join(line.format(name=name, label=label) for name, label in SAID.items())
    found = listing(text(flat(tmp_path), "list.txt", content))
    assert (found.format, labels(found)) == ("list", {path: label + suffix for path, label in said().items()})


def test_a_list_of_paths_alone_takes_their_folders(tmp_path: Path) -> None:
    elsewhere = pictures(tmp_path / "store", *(f"{label}/{name}" for name, label in SAID.items()))
    content = "\n".join(str(elsewhere / label / name) for name, label in SAID.items() if name != "cat0.jpg")
    found = listing(text(tmp_path / "lists", "mine.txt", content), labels="mine.txt")
    assert found.root == elsewhere
    assert labels(found) == {f"{label}/{name}": label for name, label in SAID.items() if name != "cat0.jpg"}
    again = listing(found.root, labels=found.options.labels)
    assert (again.root, labels(again)) == (found.root, labels(found))


# All of them


def test_a_file_of_labels_without_its_pictures_says_so(tmp_path: Path) -> None:
    pictures(tmp_path, "other/a.jpg", "other/b.jpg")
    with pytest.raises(DatasetError, match=r"\(COCO\) names 8 pictures, none of which is in"):
        listing(text(tmp_path, "coco.json", coco(tuple(SAID))))


def test_an_unknown_format_and_one_that_is_not_there(tmp_path: Path) -> None:
    flat(tmp_path)
    with pytest.raises(DatasetError, match=r"There is no format 'yolo'\. Choose one of folders"):
        listing(tmp_path, format="yolo")
    with pytest.raises(DatasetError, match=r"is COCO. It looks like this"):
        listing(tmp_path, format="coco")
    with pytest.raises(DatasetError, match=r"There is no file gone.csv"):
        listing(tmp_path, labels="gone.csv")


@pytest.mark.parametrize(
    "junk", ["{", "[]", "null", "[[[[", '{"images": 3}', '{"labels": {"a": [[[]]]}}', "\0\1\2", "a,b\n"]
)
@pytest.mark.parametrize("ending", ["json", "csv", "xml", "jsonl", "txt", "tsv"])
def test_files_that_say_nothing_are_passed_over(tmp_path: Path, junk: str, ending: str) -> None:
    pictures(tmp_path, *(f"{label}/{name}" for name, label in SAID.items()))
    found = listing(text(tmp_path, f"labels.{ending}", junk))
    assert found.format == "folders"


def test_what_a_table_says_is_trained_on(tmp_path: Path) -> None:
    from tests.core.dataset.conftest import encode

    flat(tmp_path)
    for at, name in enumerate(SAID):
        (tmp_path / "images" / name).write_bytes(encode(at))
    found = scan(text(tmp_path, "labels.csv", table(of_all("image", "label"))))
    manifest = split(found, (0.5, 0.25, 0.25))
    assert {entry.path: manifest.classes[entry.label] for entry in manifest.pictures} == said()
    assert found.seen == ("labels.csv: a table of 8 rows, the picture in “image”, the label in “label”.",)


def test_groups_are_never_divided(tmp_path: Path) -> None:
    from tests.core.dataset.conftest import encode

    rows = []
    for at in range(60):
        pictures(tmp_path, f"images/{at}.jpg")
        (tmp_path / f"images/{at}.jpg").write_bytes(encode(at))
        rows.append([f"{at}.jpg", "cat" if at % 2 else "dog", f"film {at // 6}"])
    found = scan(text(tmp_path, "labels.csv", table([["image", "label", "group"], *rows])))
    manifest = split(found)
    where = {entry.path: entry.split for entry in manifest.pictures}
    assert len(set(where.values())) == 3
    for film in range(10):
        assert len({where[f"images/{at}.jpg"] for at in range(6 * film, 6 * film + 6)}) == 1


def test_every_format_is_named_once() -> None:
    assert len({found.name for found in FORMATS}) == len(FORMATS)
    assert all(found.reader or found.writer for found in FORMATS)
