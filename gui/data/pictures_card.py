"""The pictures of the open dataset: filters, the grid, the large view over it, and what labels them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import QStackedWidget

from core.dataset.query import Pick, in_order
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.data.check_card import TRAIT_OF
from gui.data.chosen_actions import ChosenActions
from gui.data.class_keys import ClassKeys
from gui.data.comparison import Compared, Comparison
from gui.data.filter_bar import FilterBar
from gui.data.guessing import Guessing
from gui.data.help_row import HelpRow
from gui.data.label_bar import LabelBar
from gui.data.label_controller import SUGGESTION, LabelController
from gui.data.large_view import LargeView
from gui.data.map_pane import MapPane
from gui.data.picture_grid import PictureGrid
from gui.data.picture_menu import MenuActions, picture_menu
from gui.data.pictures_model import PicturesModel
from gui.shared.announce import announce
from gui.shared.basics import label
from gui.shared.card import Card
from gui.shared.dialogs import Decision, Option
from gui.shared.feedback import ProgressRow
from gui.shared.thumbnail_pixmaps import Thumbnails

if TYPE_CHECKING:
    from core.check.findings import Finding
    from core.dataset.gallery import Gallery
    from core.labels.labelling import Change, Labelling

MOST_SIMILAR = 500


class PicturesCard(Card):
    """Shows a `PicturesModel`, which it owns, and lets its pictures be labelled.

    Signals:
        labels_changed(Change): a change of labels is kept, here or by another process.
        failed(UserFacingError): something did not work, and why.
    """

    labels_changed = Signal(object)
    failed = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__(tr("Pictures"))
        self.model = PicturesModel()
        edge = 320 if self.devicePixelRatioF() > 1.3 else 160
        self.thumbnails = Thumbnails(bridge, workbench.paths.thumbnails, edge)
        self.labels = LabelController(self.model, bridge)
        self.comparison = Comparison(workbench, bridge)
        self.keys = ClassKeys(workbench.settings)
        self._root = Path()
        self._said = ""
        self._why: dict[str, list[str]] = {}
        self._build(workbench, bridge)

    def _build(self, workbench: Workbench, bridge: Bridge) -> None:
        self.filters = FilterBar(self.model)
        self.grid = PictureGrid(self.model, self.thumbnails)
        self.chosen = ChosenActions(self.model, self.grid, self.labels, self.keys)
        self.filters.search.results = self.grid
        self.large = LargeView(self.grid, bridge, workbench.paths.thumbnails, self.thumbnails)
        self.bar = LabelBar()
        self.map = MapPane(self.model, self.thumbnails)
        self.help = HelpRow()
        self.guessing = Guessing(bridge)
        self.progress = ProgressRow()
        self.progress.cancelled.connect(self.comparison.cancel)
        self._views = QStackedWidget()
        self._views.addWidget(self.grid)
        self._views.addWidget(self.map)
        self.count = label("", "figures")
        self.count.setProperty("role", "muted")
        self.add_action(self.count)
        self.add(self.filters)
        self.add(self.help)
        self.add(self._views, 1)
        self.add(self.progress)
        self.add(self.bar)
        grid, bar = self.grid, self.bar
        grid.resized.connect(lambda: self.large.setGeometry(grid.rect()))
        grid.view_asked.connect(self._toggle_large)
        grid.looked_at.connect(self._on_looked_at)
        grid.command.connect(self._on_command)
        grid.key_typed.connect(self.chosen.type_key)
        grid.section_accepted.connect(lambda first, count: self.chosen.accept_rows(range(first, first + count)))
        grid.menu_asked.connect(self._show_menu)
        bar.field.named.connect(self.chosen.label)
        bar.field.left.connect(self._focus_view)
        bar.accept_asked.connect(self.chosen.accept)
        bar.leave_out_asked.connect(self.chosen.leave_out)
        bar.put_back_asked.connect(self.chosen.put_back)
        bar.undo_asked.connect(self.labels.undo)
        bar.redo_asked.connect(self.labels.redo)
        self.model.sections_changed.connect(self._on_arranged)
        self.model.chosen_changed.connect(self._on_chosen)
        self.labels.changed.connect(self._on_labels_changed)
        self.labels.failed.connect(self.failed)
        self.filters.map_toggled.connect(self._on_map_toggled)
        self.map.view.picture_asked.connect(self._show_in_grid)
        self.map.view.command.connect(self._on_command)
        self.map.view.key_typed.connect(self.chosen.type_key)
        self.help.next_asked.connect(self._show_next)
        self.help.accept_asked.connect(lambda: self.labels.label_each(self.guessing.sure_ones(), SUGGESTION))
        self.guessing.guessed.connect(self._on_guessed)
        comparison = self.comparison
        self.model.sections_changed.connect(self._compare_if_needed)
        comparison.started.connect(lambda: self.progress.start(tr("Comparing the pictures")))
        comparison.progressed.connect(self.progress.update_progress)
        comparison.ended.connect(self.progress.finish)
        comparison.failed.connect(self.failed)
        comparison.known.connect(self._on_compared)
        comparison.mapped.connect(self.map.view.set_places)

    def showEvent(self, event: QShowEvent) -> None:
        """See what others have labelled meanwhile."""
        super().showEvent(event)
        self.labels.look(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Leave others' labels until they can be seen."""
        super().hideEvent(event)
        self.labels.look(False)

    # What the tab calls

    def set_root(self, root: Path) -> None:
        """Show the pictures of another folder, as a scan finds them; none can be labelled yet."""
        self._set_folder(root)
        self._close()
        self.model.clear()
        self.filters.clear_all()
        self._say("")

    def open_gallery(self, gallery: Gallery, labelling: Labelling) -> None:
        """Show what a scan found, to be labelled; pictures without a class are compared, to help with it."""
        self._set_folder(labelling.scan.root)
        self._close()
        self.labels.open(labelling)
        self.keys.open(str(labelling.scan.root))
        self.comparison.open(labelling.scan, gallery)
        if gallery.unlabelled and self.model.query.order == "class":
            self.model.query = replace(self.model.query, order="similarity")
        self.model.set_gallery(gallery)
        self._show_history()

    def _close(self) -> None:
        self.labels.open(None)
        self.keys.open("")
        self.comparison.open(None, None)
        self.guessing.open(None)
        self.help.hide()
        self.map.view.set_places(None)

    def _set_folder(self, root: Path) -> None:
        if root != self._root:
            self._root = root
            self.thumbnails.set_root(root)
            self.large.set_root(root)

    def stop(self) -> None:
        """Read no more pictures, and forget those that are shown."""
        self._root = Path()
        self._close()
        self.model.clear()
        self.thumbnails.stop()
        self.large.stop()

    def show_pick(self, pick: Pick) -> None:
        """Show certain pictures."""
        self.filters.clear_all()
        self.model.ask(label=None, split=None, pick=pick)
        self._focus_view()

    def classes(self) -> list[str]:
        """Return the classes that pictures can be put into."""
        made = self.labels.labelling.state.added if self.labels.labelling is not None else frozenset[str]()
        return sorted(made | set(self.model.gallery.classes), key=in_order)

    # What is asked for in the grid

    def _on_command(self, command: str) -> None:
        match command:
            case "escape" if self.large.isVisible():
                self.large.close_view()
            case "escape":
                self.model.choose([])
            case "undo":
                self.labels.undo()
            case "redo":
                self.labels.redo()
            case "leave_out" if self.chosen.left_out:
                self.chosen.put_back()
            case "leave_out":
                self.chosen.leave_out()
            case "unlabel":
                self.chosen.label(None)
            case "label" if self.model.chosen:
                self.bar.field.setFocus()

    def _show_menu(self, at: QPoint) -> None:
        number = self.model.number(self.grid.current_row) if self.grid.current_row >= 0 else min(self.model.chosen)
        gallery = self.model.gallery
        path = gallery.pictures[number].path
        suggestion = gallery.suggestion(number)
        actions = MenuActions(
            label=self.chosen.label,
            name=self.bar.field.setFocus,
            accept=self.chosen.accept,
            leave_out=self.chosen.leave_out,
            put_back=self.chosen.put_back,
            move=self.chosen.move,
            similar=partial(self._show_similar, number, choose=False),
            choose_similar=partial(self._show_similar, number, choose=True),
            why=partial(self._show_why, number),
            show_file=partial(_show_file, self._root / path),
            copy_path=lambda: QGuiApplication.clipboard().setText(str(self._root / path)),
        )
        menu = picture_menu(
            self,
            actions,
            [(name, self.keys.key_of(name)) for name in self.classes()],
            left_out=self.chosen.left_out,
            suggested=suggestion.label if suggestion else "",
            similar=self.comparison.compared is not None,
            why=gallery.is_marked(number),
        )
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    # Look-alikes

    def _compare_if_needed(self) -> None:
        if self.model.query.order in ("similarity", "suggestion") or self.filters.map.isChecked():
            self.comparison.ensure()

    def _on_compared(self, compared: Compared) -> None:
        compared.gallery.set_similarity(compared.alike.order, compared.alike.cohort)
        if compared.gallery is self.model.gallery:
            self.model.arrange()
            self.map.view.set_places(compared.places)
            self.guessing.open(compared)
            self.guessing.refresh()
            self._show_help()
            if self.filters.map.isChecked():
                self.comparison.ensure_map()

    def _on_guessed(self) -> None:
        if self.model.query.order == "suggestion":
            self.model.arrange(keep_place=True)
        self.grid.viewport().update()
        self.map.view.update()
        self._show_help()
        self._show_chosen()

    def take_findings(self, findings: Sequence[Finding]) -> None:
        """Make what a check found filters of the grid; a picture's menu says why, and what a suspect looks like."""
        gallery = self.model.gallery
        self._why = {}
        for kind, trait in TRAIT_OF.items():
            of_kind = [finding for finding in findings if finding.kind == kind]
            gallery.set_trait(trait, [path for finding in of_kind for path in finding.pictures])
            for finding in of_kind:
                for path in finding.pictures:
                    self._why.setdefault(path, []).append(finding.why)
        self.model.arrange()

    def _show_why(self, number: int) -> None:
        path = self.model.gallery.pictures[number].path
        Decision(self, tr("Why?"), self._why.get(path, []), [Option("ok", tr("Close"), "primary")]).ask()

    def _show_help(self) -> None:
        if self.comparison.compared is not None:
            gallery = self.model.gallery
            guessing = self.guessing
            sure = len(guessing.sure_ones())
            self.help.show_state(gallery.unlabelled, len(gallery.classes), guessing.suggestions, sure)

    def _show_next(self) -> None:
        """Show what to label next, and choose the first."""
        numbers = self.guessing.next_numbers()
        self.show_pick(
            Pick(tr("Label these next"), tuple(self.model.gallery.pictures[n].path for n in numbers), ranked=True)
        )
        self.grid.go_to(0)

    def _on_map_toggled(self, on: bool) -> None:
        self.large.close_view()
        self._views.setCurrentWidget(self.map if on else self.grid)
        self.chosen.goes_on = not on
        self._focus_view()
        if on and self.comparison.ensure():
            self.comparison.ensure_map()

    def _focus_view(self) -> None:
        (self.map.view if self.filters.map.isChecked() else self.grid).setFocus()

    def _show_in_grid(self, row: int) -> None:
        self.filters.map.setChecked(False)
        self.grid.go_to(row)

    def _show_similar(self, number: int, *, choose: bool) -> None:
        """Show all pictures, the likest to one first, and with `choose` choose those that are of its kind."""
        gallery = self.model.gallery

        def found(numbers: list[int], alike: int) -> None:
            if gallery is not self.model.gallery:
                return
            paths = tuple(gallery.pictures[at].path for at in numbers[:MOST_SIMILAR])
            name = paths[0].rpartition("/")[2]
            self.show_pick(Pick(tr("Like {name}").format(name=name), paths, ranked=True))
            self.grid.go_to(0)
            if choose:
                self.model.choose_numbers(numbers[:alike])

        self.comparison.similar_to(number, found)

    # The large view

    def _toggle_large(self) -> None:
        if self.large.isVisible():
            self.large.close_view()
        elif self.grid.current_row >= 0:
            self._show_large(self.grid.current_row)

    def _show_large(self, row: int) -> None:
        near = [at for at in (row + 1, row - 1) if 0 <= at < self.model.rowCount()]
        beside = [self.model.picture(at) for at in near]
        self.large.setGeometry(self.grid.rect())
        self.large.show_picture(self.model.picture(row), self.model.details(self.model.number(row)), beside)

    def _on_looked_at(self, row: int) -> None:
        if self.large.isVisible():
            if row >= 0:
                self._show_large(row)
            else:
                self.large.close_view()

    # What is said

    def _on_labels_changed(self, change: Change) -> None:
        self._say(change.summary)
        self.guessing.refresh()
        self._show_help()
        self._show_history()
        if self.large.isVisible():
            self._on_looked_at(self.grid.current_row)
        self.labels_changed.emit(change)

    def _show_history(self) -> None:
        labelling = self.labels.labelling
        self.bar.set_history(*(labelling.can_undo, labelling.can_redo) if labelling is not None else ("", ""))

    def _say(self, sentence: str) -> None:
        self._said = sentence
        if sentence:
            announce(self.grid, sentence)
        self._show_chosen()

    def _on_arranged(self) -> None:
        shown, total = self.model.rowCount(), self.model.total
        counts = tr("{shown:,} of {total:,}") if shown != total else "{shown:,}"
        self.count.setText(counts.format(shown=shown, total=total))
        classes = self.classes()
        self.keys.set_classes(classes)
        self.bar.field.set_classes(classes)
        if self.large.isVisible():
            self._on_looked_at(self.grid.current_row)
        self._show_chosen()

    def _on_chosen(self) -> None:
        count = len(self.model.chosen)
        if count > 1:  # one alone is read out as the grid's current picture
            announce(self.grid, plural("{count:,} picture chosen", "{count:,} pictures chosen", count))
        self._show_chosen()

    def _show_chosen(self) -> None:
        gallery, chosen = self.model.gallery, self.model.chosen
        without = gallery.unlabelled
        otherwise = self._said
        if not otherwise and len(gallery):
            done = len(gallery) - without
            labelled = tr("{done:,} of {count:,} labelled").format(done=done, count=len(gallery))
            otherwise = labelled if without else tr("Choose pictures to label them")
        suggested = any(gallery.suggestion(number) is not None for number in chosen)
        unseen, left_out = self.model.chosen_unseen, self.chosen.left_out
        self.bar.show_chosen(len(chosen), otherwise, unseen=unseen, left_out=left_out, suggested=suggested)


def _show_file(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))
