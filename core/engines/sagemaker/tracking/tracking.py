"""What becomes of the jobs of a store on SageMaker: a look at each, and what was learnt written down.

A single job, and the trials of a tuning job, are described, their logs read, their ends recorded. A job that waits
for its frozen features is started once they are there.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from core.cloud.managed import ManagedRefused
from core.engines.local.recovery import write_record
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failures import LoginNeeded, explain_reason, explain_stop, is_passing
from core.engines.sagemaker.connection.workspace import Workspace
from core.engines.sagemaker.cost.pricing import PriceList
from core.engines.sagemaker.cost.running_cost import billed, note_features, spent
from core.engines.sagemaker.jobs.creation import OutcomeUnknown, Prepared, compare
from core.engines.sagemaker.jobs.job_creator import JobCreator
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.launch_and_stop import stop
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking.artifacts import trial_records
from core.engines.sagemaker.tracking.descriptions import Description, Descriptions
from core.engines.sagemaker.tracking.evaluations import Evaluations
from core.engines.sagemaker.tracking.feature_jobs import features_of, keep_features, may_go_on
from core.engines.sagemaker.tracking.follower import Ended, Follower, seconds_of, status_of
from core.engines.sagemaker.tracking.logs import Ask, LogTail
from core.engines.sagemaker.tracking.packed import PackedFollower
from core.engines.sagemaker.tracking.recording import Recording
from core.errors import UserFacingError
from core.jobs.contract import JobFolder
from core.jobs.managed_rules import without_managed
from core.jobs.records import TrainingJob
from core.jobs.specs import TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import JobChanges, Store
from core.store.rows import new_record
from core.translation import tr
from core.tuning.search_order import search_order

_RUNNING = "Training"
_GONE = tr("AWS does not know this job any more.")
_FEATURES_LATE = tr(
    "Its frozen features were not computed within the longest run of a training job. Allow a longer run."
)


class Tracker:
    """Looks at jobs, one call of `look` each; not thread-safe, one thread does it.

    Args:
        ask: makes a call to AWS.
        timing: how long it waits for what.
    """

    def __init__(
        self,
        aws: Aws,
        paths: AppPaths,
        store: Store,
        creator: JobCreator,
        prices: PriceList,
        ask: Ask,
        timing: Timing,
    ) -> None:
        self._aws, self._paths, self._store, self._creator, self._prices = aws, paths, store, creator, prices
        self._ask, self._timing = ask, timing
        self._aws_says = Descriptions(aws, ask)
        self._rules = Evaluations(aws, paths, store)
        self._followers: dict[str, Follower] = {}
        self._record = Recording(paths, store, self._drop)
        self._ended: dict[str, Ended] = {}
        self.settling: set[str] = set()
        """Jobs that have ended on AWS and whose logs may not be complete yet."""

    def forget(self) -> None:
        """Drop what holds a connection, so that it is made again."""
        self._followers.clear()
        self.settling.clear()

    def look(self, name: str) -> None:
        """Learn how a job is, and write it down."""
        notes, job = CloudJobState.load(self._paths.jobs / name), self._store.job(name)
        if job.status.is_final:
            self._look_at_rules(name)
        elif not notes.is_created and time.time() - job.created < self._timing.start:
            return  # it is just being started
        elif notes.features_job and not notes.launched:
            self._look_at_features(name, notes)
        elif notes.packed:
            self._look_at_packed(name, notes)
        elif self._store.job(name).kind == "tuning":
            self._look_at_tuning(name)
        else:
            self._look_at_training(name)
        self._pass_stop_on(name)
        self._keep_to_cap(name)

    def _pass_stop_on(self, name: str) -> None:
        """Stop what was created while the job of its features was asked to stop."""
        folder = self._folder(name).root
        notes = CloudJobState.load(folder)
        if notes.launched and notes.stopping and not notes.stop_passed_on:
            self._stop(name)
            CloudJobState.change(folder, stop_passed_on=True)

    def _keep_to_cap(self, name: str) -> None:
        """Stop a job that has cost as much as it may."""
        cap = CloudJobState.load(self._folder(name).root).cap_usd
        if cap is None or self._store.job(name).status is not JobStatus.IN_PROGRESS:
            return
        cost = spent(self._store, self._paths, self._prices, name)
        if cost is None or cost < cap:
            return
        reason = tr("It has cost ${cost:.2f}, and it was to be stopped at ${cap:.2f}.").format(cost=cost, cap=cap)
        self._stop(name, reason)

    def _stop(self, name: str, reason: str = "") -> None:
        self._ask(stop, name=name, aws=self._aws, store=self._store, paths=self._paths, reason=reason)

    def _look_at_features(self, name: str, notes: CloudJobState) -> None:
        spec = self._store.spec(name)
        description = self._aws_says.training(notes.features_job)
        follower = self._follower(dataclasses.replace(spec.training, name=notes.features_job), self._folder(name), name)
        status = status_of(str((description or {}).get("TrainingJobStatus", "Failed")))
        new = follower.read(look=status.is_final)
        if description is not None:
            notes = note_features(self._folder(name).root, notes, description)
        if description is None:
            self._record.fail(name, _GONE)
        elif status is JobStatus.COMPLETED or (
            status is JobStatus.FAILED
            and not new
            and may_go_on(self._creator_of(notes), notes, str(description.get("FailureReason", "")))
        ):
            self._keep_to_cap(name)  # before there is one more job to pay
            self._launch(name, CloudJobState.load(self._folder(name).root))
        elif status is JobStatus.FAILED and (not new and self._is_settled(follower, Ended.now(description))):
            self._record.fail(
                name,
                tr("The frozen features could not be computed. {reason}").format(reason=follower.reason(description)),
            )
        elif status is JobStatus.STOPPED and description.get("SecondaryStatus") == "MaxRuntimeExceeded":
            self._record.fail(name, _FEATURES_LATE)
        elif status is JobStatus.STOPPED:
            self._record.finish(name, JobStatus.STOPPED, "Stopped")
        elif not status.is_final:
            if notes.stopping and status is JobStatus.IN_PROGRESS:
                self._stop(name)  # it was created while the one before it was asked to stop
            self._record.tell(
                name, JobStatus.STOPPING if notes.stopping else JobStatus.IN_PROGRESS, "PreparingFeatures"
            )

    def _launch(self, name: str, notes: CloudJobState) -> None:
        """Start the job that waited for its features, which are there."""
        creator, folder = self._creator_of(notes), self._folder(name).root
        if notes.stopping:
            keep_features(creator, self._store, folder, notes)
            self._record.finish(name, JobStatus.STOPPED, "Stopped")
            return
        try:
            features, reason = features_of(creator, self._store, folder, notes)
            if not features:
                if reason:
                    self._record.fail(name, reason)
                return
            if CloudJobState.load(folder).stopping:
                return  # it was asked to stop meanwhile: the next look says so
            said, prepared = self._create(creator, name, features, notes.mark)
        except (LoginNeeded, OutcomeUnknown):
            raise
        except UserFacingError as error:
            if is_passing(error):
                raise  # it is tried again
            self._record.fail(name, str(error))
            return
        CloudJobState.change(folder, launched=True)
        self._record.tell(name, JobStatus.IN_PROGRESS, "Starting", progress=0.0)
        CloudJobState.change(folder, differences=[*notes.differences, *said, *compare(self._aws, prepared)])

    def _creator_of(self, notes: CloudJobState) -> JobCreator:
        return self._creator.at(Workspace(**notes.workspace)) if notes.workspace else self._creator

    def _create(self, creator: JobCreator, name: str, features: str, mark: str) -> tuple[list[str], Prepared]:
        """Create the job over its features, and say what had to be left out."""
        spec, said = self._store.spec(name), list[str]()
        if isinstance(spec, TuningSpec) and spec.packed:
            prepared = creator.prepare_packed(spec, search_order(spec, self._store), features, mark)
            creator.create(prepared, spec)
            return said, prepared
        prepared = creator.prepare(spec, features, mark)
        try:
            creator.create(prepared, spec)
        except ManagedRefused as error:  # no one is here to be asked any more
            said, spec = [tr("It runs without AWS's Debugger. {why}").format(why=error.why)], without_managed(spec)
            prepared = creator.prepare(spec, features, mark)
            creator.create(prepared, spec)
        return said, prepared

    def _look_at_training(self, name: str, description: Description | None = None) -> None:
        known = self._ended.get(name)
        description = known.description if known else description or self._aws_says.training(name)
        if description is None:
            self._record.fail(name, _GONE)
            return
        spec = self._store.spec(name)
        assert isinstance(spec, TrainingSpec)
        self._rules.record(name, description)
        follower = self._follower(spec, self._folder(name))
        status, secondary = status_of(description["TrainingJobStatus"]), str(description.get("SecondaryStatus", ""))
        new = follower.read(look=status.is_final or secondary == "Restarting")
        ended = known or Ended.now(description)
        while new and status.is_final and ended.age >= self._timing.late:
            new = follower.read()  # it is all there
        if not status.is_final:
            self._record.tell(name, status, secondary, started=self._started(name, description))
            return
        self._ended[name] = ended
        if isinstance(record := self._store.job(name), TrainingJob) and record.tuning_job is None:
            self.settling.add(name)
        if not new and self._is_settled(follower, ended):
            self._conclude(name, status, description, follower)

    def _look_at_packed(self, name: str, notes: CloudJobState) -> None:
        """Look at a search that is one training job."""
        known = self._ended.get(name)
        description = known.description if known else self._aws_says.training(name)
        if description is None:
            self._record.fail(name, _GONE)
            return
        follower = self._packed_follower(name)
        status, secondary = status_of(description["TrainingJobStatus"]), str(description.get("SecondaryStatus", ""))
        new = follower.read(look=status.is_final or secondary == "Restarting")
        ended = known or Ended.now(description)
        while new and status.is_final and ended.age >= self._timing.late:
            new = follower.read()  # it is all there
        started = self._started(name, description)
        if not status.is_final:
            prepares = secondary == _RUNNING and not follower.has_trials
            self._record.tell(name, status, "PreparingFeatures" if prepares else secondary, started=started)
            return
        self._ended[name] = ended
        self.settling.add(name)
        if new or not self._is_settled(follower, ended):
            return
        reason = follower.reason(description)
        if status is JobStatus.STOPPED and not reason:
            reason = explain_stop(secondary)
        if follower.misses_some:  # the log's last lines may be lost; the files tell the same
            for record in trial_records(self._aws, self._ask, notes.checkpoints, name):
                follower.apply(record)
            follower.end(status, tr("It ran when its search ended."))
        changes: JobChanges = {} if started is None else {"started": started}
        CloudJobState.change(self._folder(name).root, **billed(description))
        ended_at = seconds_of(description.get("TrainingEndTime"))
        self._record.finish(name, status, secondary or str(status), reason, ended_at, changes)

    def _look_at_rules(self, name: str) -> None:
        """Note that the job has ended, and some of AWS's rules have not."""
        description = self._aws_says.training(name)
        if description is None:
            self._rules.give_up(name)
        else:
            self._rules.record(name, description)

    def _conclude(self, name: str, status: JobStatus, description: Description, follower: Follower) -> None:
        """Record a training job's end."""
        record = self._store.job(name)
        assert isinstance(record, TrainingJob)
        values = {item["MetricName"]: item["Value"] for item in description.get("FinalMetricDataList", ())}
        objective = record.objective if record.objective is not None else values.get(follower.spec.objective.metric)
        secondary = str(description.get("SecondaryStatus", "")) or str(status)
        reason = follower.reason(description)
        if status is JobStatus.STOPPED and not reason:
            reason = explain_stop(secondary)
        if status is JobStatus.COMPLETED and record.tuning_job and objective is None:
            reason = tr("The objective was never found: its regex matches no line of the log.")
        changes: JobChanges = {"objective": objective}
        if status is not JobStatus.FAILED and (artifact := self._aws_says.artifact(description)):
            changes["artifact"] = artifact
        if status is JobStatus.COMPLETED:
            changes["progress"] = 1.0
        CloudJobState.change(self._folder(name).root, **billed(description))
        if (started := self._started(name, description)) is not None:
            changes["started"] = started
        self._record.finish(name, status, secondary, reason, seconds_of(description.get("TrainingEndTime")), changes)

    def _look_at_tuning(self, name: str) -> None:
        description = self._aws_says.tuning(name)
        if description is None:
            self._record.fail(name, _GONE)
            return
        for listed in self._aws_says.trials(name):
            self._look_at_trial(name, listed)
        status = status_of(description["HyperParameterTuningJobStatus"])
        trials = self._store.trials(name)
        started = min((trial.started for trial in trials if trial.started is not None), default=None)
        if not status.is_final:
            self._record.tell(name, status, "Stopping" if status is JobStatus.STOPPING else _RUNNING, started=started)
        elif all(trial.status.is_final for trial in trials):
            reason = explain_reason(str(description.get("FailureReason", "")))
            first = next((trial.failure_reason for trial in trials if trial.failure_reason), "")
            if status is JobStatus.FAILED and first:
                reason = tr("{reason} The first failed because: {first}").format(reason=reason, first=first).strip()
            ended = seconds_of(description.get("HyperParameterTuningEndTime"))
            changes: JobChanges = {} if started is None else {"started": started}
            self._record.finish(name, status, str(status), reason, ended, changes)
        else:
            self.settling.add(name)

    def _look_at_trial(self, tuning_job: str, listed: Description) -> None:
        name = str(listed["TrainingJobName"])
        known = {trial.name: trial for trial in self._store.trials(tuning_job)}
        if name not in known:
            known[name] = self._add_trial(tuning_job, name, listed)
        trial = known[name]
        if trial.status.is_final:
            return
        # While it trains, its log says more than a description, and costs one call as well.
        if listed["TrainingJobStatus"] == "InProgress" and trial.secondary_status == _RUNNING:
            spec = self._store.spec(name)
            assert isinstance(spec, TrainingSpec)
            self._follower(spec, self._folder(name)).read()
            return
        self._look_at_training(name)

    def _add_trial(self, tuning_job: str, name: str, listed: Description) -> TrainingJob:
        spec = self._store.spec(tuning_job)
        assert isinstance(spec, TuningSpec)
        drawn = {key: str(value).strip('"') for key, value in listed.get("TunedHyperParameters", {}).items()}
        hyperparameters = {**spec.training.hyperparameters, **drawn}
        training = dataclasses.replace(spec.training, name=name, hyperparameters=hyperparameters)
        record = new_record(training, "sagemaker")
        assert isinstance(record, TrainingJob)
        record = dataclasses.replace(
            record,
            tuning_job=tuning_job,
            created=seconds_of(listed.get("CreationTime")),
            code_version=self._store.job(tuning_job).code_version,
        )
        notes = CloudJobState.load(self._folder(tuning_job).root)
        about = {key: getattr(notes, key) for key in ("region", "account", "workspace", "checkpoints")}
        CloudJobState(launched=True, **about).save(self._folder(name).root)
        self._store.add_job(record, training)
        write_record(self._store, self._folder(name), name)
        return record

    def _is_settled(self, follower: Follower, ended: Ended) -> bool:
        """Whether no more lines are to be expected: CloudWatch has them a little later than they were said."""
        if ended.age >= self._timing.late:
            return True
        return follower.idle_since is not None and time.monotonic() - follower.idle_since >= self._timing.settle

    def _follower(self, spec: TrainingSpec, folder: JobFolder, record_as: str = "") -> Follower:
        if spec.name not in self._followers:
            tail = LogTail(self._aws.client("logs"), spec.name, folder.log, self._ask)
            self._followers[spec.name] = Follower(spec, self._store, tail, record_as)
        return self._followers[spec.name]

    def _packed_follower(self, name: str) -> PackedFollower:
        known = self._followers.get(name)
        if not isinstance(known, PackedFollower):
            spec, jobs = self._store.spec(name), Path(self._paths.jobs)
            assert isinstance(spec, TuningSpec)
            tail = LogTail(self._aws.client("logs"), name, self._folder(name).log, self._ask)
            known = self._followers[name] = PackedFollower(spec, self._store, tail, jobs)
        return known

    def _folder(self, name: str) -> JobFolder:
        return JobFolder(Path(self._paths.jobs) / name)

    def _started(self, name: str, description: Description) -> float | None:
        if "TrainingStartTime" not in description:
            return None
        return max(seconds_of(description["TrainingStartTime"]), self._store.job(name).created)  # two clocks

    def _drop(self, name: str) -> None:
        self.settling.discard(name)
        self._followers.pop(name, None)
        self._ended.pop(name, None)
