"""How a model is to be served: at a new endpoint or one that is there, on what, in which container, how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from core.cloud.hosting import DEFAULT_LIFETIME_S, SERVERLESS_MEMORY_MB, Container, Hosting, proposed
from core.cloud.money import Price, snapshot
from core.engine import Endpoint
from core.errors import EngineError, UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, label, row
from gui.shared.card import Card
from gui.shared.cost_text import dollars
from gui.shared.field import Field

_LIFETIMES = ((1, "1 hour"), (2, "2 hours"), (8, "8 hours"), (24, "1 day"), (0, tr("Until I delete it")))
_MEMORY_GB = (1, 2, 3, 4, 5, 6)
_AS_IT_IS = -1.0


class HostingForm(Card):
    """Serverless first: it costs nothing while it is not asked.

    Signals:
        changed(): something else is chosen, or the price is known.
        failed(UserFacingError): AWS could not be asked.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge, name: str) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._pricing: Handle | None = None
        self._asking: Handle | None = None
        self._now: Hosting | None = None
        self._own_name, self._own_container = name, False
        self.price_found: Price | None = None
        self.name = QLineEdit(name)
        self.target, self.kind, self.memory = QComboBox(), QComboBox(), QComboBox()
        self.container, self.lifetime = QComboBox(), QComboBox()
        self.subnets, self.groups, self.key = QLineEdit(), QLineEdit(), QLineEdit()
        self.more = button(
            tr("Network and key…"), kind="link", tip=tr("Run the machine in your VPC, encrypt its disk with your key")
        )
        self.price, self.why = label("", "muted", wrap=True), label("", "muted", wrap=True)
        self._fill()
        self._lay_out()
        for combo in (self.lifetime, self.memory):
            combo.currentIndexChanged.connect(self._show_price)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.container.currentIndexChanged.connect(self._show_container)
        self.container.activated.connect(self._on_own_container)
        self.target.currentIndexChanged.connect(self._on_target)
        self._on_kind()
        self._find_endpoints()

    def _fill(self) -> None:
        self.target.addItem(tr("A new endpoint"), "")
        self.kind.addItem(tr("Serverless (proposed)"), "")
        for name, price in snapshot()["hosting_usd_per_hour"].items():
            self.kind.addItem(name, name)
            self.kind.setItemData(
                self.kind.count() - 1, tr("about {dollars} an hour").format(dollars=dollars(price["usd"])), 3
            )
        for gigabytes in _MEMORY_GB:
            self.memory.addItem(f"{gigabytes} GB", 1024 * gigabytes)
        self.memory.setCurrentIndex(self.memory.findData(SERVERLESS_MEMORY_MB))
        for container in Container:
            self.container.addItem(container.label, str(container))
        for hours, text in _LIFETIMES:
            self.lifetime.addItem(text, hours * 3600.0 or None)
        self.lifetime.setCurrentIndex(self.lifetime.findData(float(DEFAULT_LIFETIME_S)))

    def _lay_out(self) -> None:
        self.target_field = Field(
            tr("Deploy to"), self.target, tr("An existing endpoint keeps answering while it is updated.")
        )
        self.name_field = Field(tr("Name of the endpoint"), self.name)
        self.memory_field = Field(tr("Memory"), self.memory, tr("The model and the container have to fit."))
        sleeps = tr("A serverless endpoint sleeps while it is not asked; the first answer is slow.")
        ends = tr("Deleted then while this computer runs; a closed laptop deletes nothing.")
        kind, life = Field(tr("Served by"), self.kind, sleeps), Field(tr("Lifetime"), self.lifetime, ends)
        container = Field(
            tr("Container"), self.container, tr("Both call the same functions, and both are rehearsed here.")
        )
        self.target_field.hide()
        whither = row(self.target_field, self.name_field)
        whither.setStretch(1, 1)
        choices = row(kind, self.memory_field, container, life)
        choices.setStretch(0, 1)
        self.network = QWidget()
        several = tr("Identifiers with commas between them; empty: AWS's own network.")
        inside = row(
            Field(tr("Subnets"), self.subnets, several),
            Field(tr("Security groups"), self.groups, several),
            Field(tr("KMS key"), self.key, tr("Encrypts the machine's disk; empty: AWS's own key.")),
        )
        inside.setContentsMargins(0, 0, 0, 0)
        self.network.setLayout(inside)
        self.network.hide()
        self.more.clicked.connect(lambda: self.network.setVisible(self.network.isHidden()))
        self.body.addLayout(whither)
        self.body.addLayout(choices)
        self.body.addLayout(row(None, self.more))
        self.add(self.network)
        self.add(self.price)
        self.add(self.why)

    # What is chosen --------------------------------------------------------------------------------------------

    @property
    def updates(self) -> bool:
        """Whether an endpoint that is there is to serve the model."""
        return bool(self.target.currentData())

    @property
    def endpoint(self) -> str:
        """Return the endpoint's name."""
        return str(self.target.currentData()) or self.name.text().strip()

    @property
    def hosting(self) -> Hosting:
        """Return how the model is to be served.

        Raises:
            EngineError: AWS has no such endpoint.
        """
        chosen = self._machine
        if not chosen.instance_type:  # it has neither network nor key
            return chosen
        subnets, groups = _listed(self.subnets.text()), _listed(self.groups.text())
        return replace(chosen, subnets=subnets, security_groups=groups, kms_key=self.key.text().strip())

    @property
    def _machine(self) -> Hosting:
        """Return what is chosen but for the network and the key, which are typed."""
        lifetime = self.lifetime.currentData()
        if lifetime == _AS_IT_IS:
            lifetime = self._now.lifetime_s if self._now is not None else None
        container = Container(self.container.currentData())
        return Hosting(str(self.kind.currentData()), int(self.memory.currentData()), lifetime, container)

    @property
    def is_known(self) -> bool:
        """Whether all is known that must be, before anything is started: the price, or that there is none."""
        waits = self.updates and self._now is None
        return not waits and (not self._machine.instance_type or self.price_found is not None)

    def freeze(self) -> None:
        """Let nothing be chosen any more: it is done."""
        for control in (self.target, self.name, self.kind, self.memory, self.container, self.lifetime, self.network):
            control.setEnabled(False)

    def show_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        """Offer those of ours that are in service for an update."""
        for endpoint in endpoints:
            if endpoint.ours and endpoint.status == "InService" and self.target.findData(endpoint.name) < 0:
                sentence = tr("Update {name} (serves {job})") if endpoint.model_job else tr("Update {name}")
                self.target.addItem(sentence.format(name=endpoint.name, job=endpoint.model_job), endpoint.name)
        self.target_field.setVisible(self.target.count() > 1)

    def _find_endpoints(self) -> None:
        def work(on_progress: OnProgress, cancel: CancelToken) -> Sequence[Endpoint]:
            cloud = self._workbench.cloud
            return cloud.endpoints() if cloud is not None else ()

        # Who deploys a new one needs none of them.
        self._bridge.run(work, self.show_endpoints, lambda error: None)

    def _on_target(self) -> None:
        self._now = None
        if self._asking is not None:
            self._asking.cancel()
        name = str(self.target.currentData())
        self.name.setEnabled(not name)
        self.name.setText(name or self._own_name)
        kept = self.lifetime.findData(_AS_IT_IS)
        if name and kept < 0:
            self.lifetime.insertItem(0, tr("As it is"), _AS_IT_IS)
            self.lifetime.setCurrentIndex(0)
        elif not name and kept >= 0:
            self.lifetime.removeItem(kept)
            self.lifetime.setCurrentIndex(self.lifetime.findData(float(DEFAULT_LIFETIME_S)))
        if name:
            self._ask_hosting(name)
        self.changed.emit()

    def _ask_hosting(self, name: str) -> None:
        """Ask how an endpoint is served now, which is kept but for what is chosen otherwise."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> Hosting:
            cloud = self._workbench.cloud
            if cloud is None:
                raise EngineError(tr("There is no connection to AWS."), fix=tr("Connect first."))
            return cloud.serving.hosting(name)

        self._asking = self._bridge.run(work, self._on_hosting, self._on_failed)

    def _on_hosting(self, hosting: Hosting) -> None:
        self._now, self._own_container = hosting, True
        if self.kind.findData(hosting.instance_type) < 0:
            self.kind.addItem(hosting.instance_type, hosting.instance_type)
        self.kind.setCurrentIndex(self.kind.findData(hosting.instance_type))
        self.memory.setCurrentIndex(max(0, self.memory.findData(hosting.memory_mb)))
        self.container.setCurrentIndex(self.container.findData(str(hosting.runs_in)))
        self.subnets.setText(", ".join(hosting.subnets))
        self.groups.setText(", ".join(hosting.security_groups))
        self.key.setText(hosting.kms_key)
        self.network.setVisible(bool(hosting.subnets or hosting.kms_key))
        self._show_price()

    def _on_own_container(self) -> None:
        self._own_container = True

    def _on_kind(self) -> None:
        """Propose the container for it, and ask what it costs an hour."""
        instance, workbench = str(self.kind.currentData()), self._workbench
        self.memory_field.setVisible(not instance)
        self.more.setVisible(bool(instance))
        self.network.setVisible(bool(instance) and not self.network.isHidden())
        if not self._own_container:
            self.container.setCurrentIndex(self.container.findData(str(proposed(instance))))
        self.price_found = None
        if self._pricing is not None:
            self._pricing.cancel()
        self._show_container()
        self._show_price()
        if not instance:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> Price | None:
            cloud = workbench.cloud
            return cloud.price(instance, "Hosting") if cloud is not None else None

        self._pricing = self._bridge.run(work, self._on_price, self._on_failed)

    def _on_price(self, price: Price | None) -> None:
        self.price_found = price
        self._show_price()

    def _on_failed(self, error: UserFacingError) -> None:
        self.failed.emit(error)

    def _show_container(self) -> None:
        self.why.setText(Container(self.container.currentData()).explanation)

    def _show_price(self) -> None:
        hosting = self._machine
        if not hosting.instance_type:
            second = snapshot()["serverless_usd_per_gb_second"] * hosting.memory_mb / 1024
            self.price.setText(
                tr(
                    "It costs nothing while it is not asked, and about ${second:.5f} for each second of answering"
                    " (dated snapshot of {day}, an estimate). The first answer after a while takes longer."
                ).format(second=second, day=snapshot()["dated"])
            )
        elif self.price_found is None:
            self.price.setText(tr("Asking for the price…"))
        else:
            self.price.setText(_instance_price(self.price_found, hosting.lifetime_s))
        self.changed.emit()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _instance_price(price: Price, lifetime_s: float | None) -> str:
    if price.usd_per_hour is None:
        return tr("Its price is not known: {source}.").format(source=price.source)
    hour, day = dollars(price.usd_per_hour), dollars(24 * price.usd_per_hour)
    if lifetime_s is None:
        sentence, life = tr("{hour} an hour, asked or not: {day} a day if it is left ({source})."), ""
    else:
        sentence = tr("{hour} an hour, asked or not: {life} for its lifetime, {day} a day if it is left ({source}).")
        life = dollars(price.usd_per_hour * lifetime_s / 3600)
    return sentence.format(hour=hour, day=day, life=life, source=price.source)
