"""Training jobs that really run: life cycle, logs, metrics, artifacts, checkpoints, stopping."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.jobs.contract import MAX_REASON, JobFolder
from tests.cloud.account import Account
from tests.cloud.container import Containers
from tests.cloud.faults import AwsError
from tests.cloud.rule_jobs import RuleJobs
from tests.cloud.storage import TRAINING_LOGS, Storage, archive

FINAL = ("Completed", "Failed", "Stopped")
_SYNC_SECONDS = 0.5


def now() -> datetime.datetime:
    """Now, with a time zone, as boto3 hands it out."""
    return datetime.datetime.now(datetime.UTC)


@dataclass
class JobFaults:
    """What shall go wrong inside one job.

    `reason` alone: it fails before it starts (CapacityError…). With `after_lines`: it is killed after so many lines
    of its log that begin with `sign`, and fails for that reason; with `reclaim` it is interrupted instead, as a spot
    instance, and starts again from its checkpoints. `host`: it is this instance alone that goes, whose lines count; its
    disk goes with it, and the others are ended. `log_delay` (seconds a line) and `no_logs`: how the log arrives.
    """

    reason: str = ""
    after_lines: int | None = None
    sign: str = ""
    reclaim: bool = False
    host: str = ""
    log_delay: float = 0.0
    no_logs: bool = False


@dataclass
class TrainingJob:
    """A job: the request as it came, and what became of it. `state` holds DescribeTrainingJob's own members."""

    request: Mapping[str, Any]
    arn: str
    root: Path
    state: dict[str, Any]
    faults: JobFaults
    container: Containers
    tuning_job_arn: str | None = None
    metrics: list[tuple[str, float, datetime.datetime]] = field(default_factory=list)
    thread: threading.Thread | None = None
    stopping: str = ""
    attempt: int = 0
    reclaimed: bool = False
    lost_host: str = ""
    synced: list[dict[str, float]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.request["TrainingJobName"])

    def describe(self) -> dict[str, Any]:
        """DescribeTrainingJob's answer."""
        answer = {key: value for key, value in self.request.items() if key != "Tags"}
        answer |= {"TrainingJobArn": self.arn, **self.state}
        if self.tuning_job_arn:
            answer["TuningJobArn"] = self.tuning_job_arn
        last: dict[str, Any] = {}
        for name, value, moment in self.metrics:
            last[name] = {"MetricName": name, "Value": value, "Timestamp": moment}
        answer["FinalMetricDataList"] = list(last.values())
        return answer

    def advance(self, secondary: str, message: str = "", status: str | None = None) -> None:
        """Go into the next secondary status."""
        moment = now()
        transitions = self.state.setdefault("SecondaryStatusTransitions", [])
        if transitions:
            transitions[-1].setdefault("EndTime", moment)
        transitions.append({"Status": secondary, "StartTime": moment, "StatusMessage": message})
        self.state["SecondaryStatus"] = secondary
        if status is not None:
            self.state["TrainingJobStatus"] = status
        self.state["LastModifiedTime"] = moment


class TrainingJobs:
    """All training jobs of a stand-in cloud, each run by a thread."""

    def __init__(self, storage: Storage, root: Path, region: str, account: str, rights: Account) -> None:
        self._storage, self._rights = storage, rights
        self._root = root
        self._arn = f"arn:aws:sagemaker:{region}:{account}:training-job/"
        self._lock = threading.RLock()
        self.rules = RuleJobs(storage, region, account)
        self.jobs: dict[str, TrainingJob] = {}
        self.planned_faults: list[tuple[re.Pattern[str], JobFaults]] = []

    def plan(self, name_pattern: str, faults: JobFaults) -> None:
        """Let jobs whose name matches go wrong."""
        self.planned_faults.append((re.compile(name_pattern), faults))

    def create(self, request: Mapping[str, Any], tuning_job_arn: str | None = None) -> TrainingJob:
        """Start a job."""
        name = request["TrainingJobName"]
        self._check(request)
        with self._lock:
            if name in self.jobs:
                raise AwsError(
                    "ResourceInUse", f"Training job names must be unique. A job with the name {name} already exists."
                )
            self._check_quota(request)
            root = self._root / name
            faults = next((faults for pattern, faults in self.planned_faults if pattern.search(name)), JobFaults())
            moment = now()
            state = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting", "CreationTime": moment}
            state |= self.rules.begin(request)
            machines = self._machines(request, root)
            job = TrainingJob(request, self._arn + name.lower(), root, state, faults, machines)
            job.tuning_job_arn = tuning_job_arn
            job.advance("Starting", "Starting the training job")
            self.jobs[name] = job
        job.thread = threading.Thread(target=self._run, args=(job,), name=f"cloud-{name}", daemon=True)
        job.thread.start()
        return job

    def get(self, name: str) -> TrainingJob:
        """A job by name."""
        with self._lock:
            if name not in self.jobs:
                raise AwsError("ValidationException", "Requested resource not found.")
            return self.jobs[name]

    def stop(self, name: str, reason: str = "Stopped") -> None:
        """Ask a job to stop."""
        job = self.get(name)
        if (status := job.state["TrainingJobStatus"]) in FINAL:
            why = f"The request was rejected because the training job is in status {status}."
            raise AwsError("ValidationException", why)
        if not job.stopping:
            job.stopping = reason
            job.advance("Stopping", "Stopping the training job", "Stopping")
            threading.Thread(target=job.container.stop, name=f"cloud-stop-{name}", daemon=True).start()

    def delete(self, name: str) -> None:
        """Forget a job that has ended."""
        with self._lock:
            if self.get(name).state["TrainingJobStatus"] not in FINAL:
                raise AwsError("ResourceInUse", f"The training job {name} is still running.")
            del self.jobs[name]

    def forget_folders(self) -> None:
        """Remove what ended jobs left on disk and in the logs."""
        shutil.rmtree(self._root, ignore_errors=True)
        self._storage.forget_logs()
        self.planned_faults.clear()
        self.rules.reset()

    def close(self) -> None:
        """End every job and wait for its thread."""
        with self._lock:
            jobs = list(self.jobs.values())
        self.rules.go_on.set()
        for job in jobs:
            job.container.kill()
        for job in jobs:
            if job.thread is not None:
                job.thread.join(30)

    def _check_quota(self, request: Mapping[str, Any]) -> None:
        resources, spot = request["ResourceConfig"], bool(request.get("EnableManagedSpotTraining"))
        kind = resources.get("InstanceType", "")
        running = [
            job.request["ResourceConfig"].get("InstanceCount", 1)
            for job in self.jobs.values()
            if job.state["TrainingJobStatus"] not in FINAL
            and job.request["ResourceConfig"].get("InstanceType") == kind
            and bool(job.request.get("EnableManagedSpotTraining")) == spot
        ]
        name = f"{kind} for {'spot ' if spot else ''}training job usage"
        self._rights.check_quota(name, sum(running), resources.get("InstanceCount", 1))

    def _machines(self, request: Mapping[str, Any], root: Path) -> Containers:
        count = request["ResourceConfig"].get("InstanceCount", 1)
        return Containers(request["TrainingJobName"], root, count)

    def _check(self, request: Mapping[str, Any]) -> None:
        stopping = request.get("StoppingCondition", {})
        wait, runtime = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds", 86_400)
        if wait is not None and not request.get("EnableManagedSpotTraining"):
            raise AwsError(
                "ValidationException",
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true",
            )
        if wait is not None and wait < runtime:
            raise AwsError("ValidationException", "MaxWaitTimeInSeconds must be greater than MaxRuntimeInSeconds")
        for channel in request.get("InputDataConfig", ()):
            source = channel["DataSource"]["S3DataSource"]
            uri, mode = source["S3Uri"], channel.get("InputMode", "File")
            if mode == "Pipe" or source["S3DataType"] != "S3Prefix":
                raise AssertionError(f"jobs of ours have files under a prefix, not {mode} of {source['S3DataType']}")
            if not self._storage.keys(uri):
                raise AwsError(
                    "ValidationException",
                    f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the '
                    "bucket exists in the selected region (us-east-1), that objects exist under that S3 prefix, and "
                    f'that the role "{request["RoleArn"]}" has "s3:ListBucket" permissions on bucket.',
                )

    def _run(self, job: TrainingJob) -> None:
        try:
            status, reason = self._train(job)
        except Exception as error:  # whatever breaks here is AWS's fault, as far as the caller can see
            status, reason = "Failed", f"InternalServerError: We encountered an internal error. {error!r}"
        ended = now()
        job.state["TrainingEndTime"] = ended
        seconds = max(1, round((ended - job.state.get("TrainingStartTime", ended)).total_seconds()))
        job.state["TrainingTimeInSeconds"] = seconds
        job.state["BillableTimeInSeconds"] = (
            max(1, seconds // 3) if job.request.get("EnableManagedSpotTraining") else seconds
        )
        if reason:
            job.state["FailureReason"] = reason[:1024]
        job.advance("MaxRuntimeExceeded" if job.stopping == "runtime" else status, reason, status)
        self.rules.finish(job.request, job.state)

    def _train(self, job: TrainingJob) -> tuple[str, str]:
        if job.faults.reason and job.faults.after_lines is None:
            return "Failed", job.faults.reason
        checkpoint = job.request.get("CheckpointConfig", {}).get("S3Uri")
        code = self._attempt(job, checkpoint)
        while job.reclaimed and not job.stopping:
            job.advance("Interrupted", "The spot instance was reclaimed")
            job.attempt, job.reclaimed = job.attempt + 1, False
            job.container = self._machines(job.request, job.root / f"attempt-{job.attempt}")
            if job.stopping:  # in the moment before
                break
            job.advance("Starting", "Starting the training job")
            code = self._attempt(job, checkpoint)
        return self._finish(job, code, checkpoint)

    def _attempt(self, job: TrainingJob, checkpoint: str | None) -> int:
        """Fetch what it needs and run the script; returns its exit status."""
        request, folder = job.request, job.container.folder
        job.advance("Downloading", "Downloading input data")
        channels: list[dict[str, str]] = [{} for _ in job.container.folders]
        mounted: list[Path] = []
        for channel in request.get("InputDataConfig", ()):
            name, source = channel["ChannelName"], channel["DataSource"]["S3DataSource"]
            divided = source.get("S3DataDistributionType") == "ShardedByS3Key"
            for number, machine in enumerate(job.container.folders):
                target = (machine if divided else folder).data / name
                if divided or not number:  # every instance has the same pictures
                    if not divided:  # nowhere is it said that an instance without a share has its folder
                        target.mkdir(parents=True, exist_ok=True)
                    share = (number, len(channels)) if divided else (0, 1)
                    self._storage.download(source["S3Uri"], target, share)
                    mounted += [target] if channel.get("InputMode") == "FastFile" else []
                channels[number][name] = str(target)
        before = [_stamps(target) for target in mounted]
        if checkpoint:
            for machine in job.container.folders:
                self._storage.download(checkpoint, machine.checkpoints)
        # What was fetched is there already; what an instance changes of it is copied back.
        job.synced = [_stamps(machine.checkpoints) for machine in job.container.folders]
        job.state.setdefault("TrainingStartTime", now())
        job.advance("Training", "Training image download completed. Training in progress.")
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(job, checkpoint, done), daemon=True)
        watcher.start()
        try:
            code = job.container.run(request, channels, _Lines(job, self._storage))
        finally:
            done.set()
            watcher.join(30)
        if [_stamps(target) for target in mounted] != before:
            raise OSError(30, "a FastFile channel is a read-only file system, and the script has written to it")
        return code

    def _finish(self, job: TrainingJob, code: int, checkpoint: str | None) -> tuple[str, str]:
        folder = job.container.folder
        if checkpoint:
            for machine, known in zip(job.container.folders, job.synced, strict=True):
                if job.lost_host != _host_of(machine, job):
                    self._sync(machine.checkpoints, checkpoint, known)
        self.rules.copy_tensors(job.request, folder.root)
        if job.faults.after_lines is not None and job.stopping == "fault":
            return "Failed", job.faults.reason
        if job.stopping != "Stopped" or any(folder.model.iterdir()):
            self._upload(job)
        if job.stopping:
            return "Stopped", ""
        if code:
            told = folder.failure.read_text("utf-8", "replace") if folder.failure.is_file() else ""
            return "Failed", f"AlgorithmError: {told[:MAX_REASON]}, exit code: {code}"
        return "Completed", ""

    def _upload(self, job: TrainingJob) -> None:
        job.advance("Uploading", "Uploading generated training model")
        base = job.request["OutputDataConfig"]["S3OutputPath"].rstrip("/") + f"/{job.name}/output"
        folder = job.container.folder
        if any(folder.model.iterdir()) and job.request["OutputDataConfig"].get("CompressionType") == "NONE":
            for file in sorted(path for path in folder.model.rglob("*") if path.is_file()):
                self._storage.write(f"{base}/model/{file.relative_to(folder.model).as_posix()}", file.read_bytes())
            job.state["ModelArtifacts"] = {"S3ModelArtifacts": f"{base}/model/"}
        elif any(folder.model.iterdir()):
            self._storage.write(f"{base}/model.tar.gz", archive(folder.model))
            job.state["ModelArtifacts"] = {"S3ModelArtifacts": f"{base}/model.tar.gz"}
        if any(folder.output_data.iterdir()):
            self._storage.write(f"{base}/output.tar.gz", archive(folder.output_data))
        shutil.rmtree(folder.data, ignore_errors=True)

    def _watch(self, job: TrainingJob, checkpoint: str | None, done: threading.Event) -> None:
        """Sync checkpoints and end the job at its longest run time."""
        limit = job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86_400)
        deadline = time.monotonic() + limit
        machines = job.container.folders
        while not done.wait(_SYNC_SECONDS):
            if checkpoint:
                pairs = list(zip(machines, job.synced, strict=True))
                job.synced = [
                    known
                    if job.lost_host == _host_of(machine, job)
                    else self._sync(machine.checkpoints, checkpoint, known)
                    for machine, known in pairs
                ]
            if time.monotonic() > deadline and not job.stopping:
                job.stopping = "runtime"
                job.advance("MaxRuntimeExceeded", "The training job ran too long")
                job.container.stop()

    def _sync(self, folder: Path, uri: str, synced: dict[str, float]) -> dict[str, float]:
        found: dict[str, float] = {}
        # os.walk passes over a folder that goes away meanwhile; a trial removes its own.
        for path in (Path(parent, name) for parent, _, names in os.walk(folder) for name in names):
            try:
                if not path.is_file():
                    continue
                relative, changed = path.relative_to(folder).as_posix(), path.stat().st_mtime
                if synced.get(relative) != changed:
                    self._storage.write(f"{uri.rstrip('/')}/{relative}", path.read_bytes())
                found[relative] = changed
            except FileNotFoundError:  # it went away between the listing and the reading
                continue
        for gone in synced.keys() - found.keys():
            self._storage.delete(f"{uri.rstrip('/')}/{gone}")
        return found


class _Lines:
    """What a script prints: to the log stream, and through the metric definitions."""

    def __init__(self, job: TrainingJob, storage: Storage) -> None:
        self._job = job
        self._storage = storage
        self._streams = f"{job.name}/{{}}-{int(time.time()) + job.attempt}"
        definitions = job.request["AlgorithmSpecification"].get("MetricDefinitions", ())
        self._expressions = [(item["Name"], re.compile(item["Regex"])) for item in definitions]
        self._count = 0

    def __call__(self, host: str, line: str) -> None:
        faults = self._job.faults
        for name, expression in self._expressions:
            for match in expression.finditer(line):
                self._job.metrics.append((name, float(match.group(1)), now()))
        if not faults.no_logs:
            if faults.log_delay:
                time.sleep(faults.log_delay)
            self._storage.log(TRAINING_LOGS, self._streams.format(host), [line])
        self._count += line.startswith(faults.sign) and faults.host in ("", host)
        if self._count == faults.after_lines and not (self._job.reclaimed or self._job.attempt or self._job.stopping):
            if faults.reclaim:
                self._job.reclaimed = True
            else:
                self._job.stopping, self._job.lost_host = "fault", faults.host
            self._job.container.kill(faults.host)


def _host_of(machine: JobFolder, job: TrainingJob) -> str:
    return f"algo-{job.container.folders.index(machine) + 1}"


def _stamps(folder: Path) -> dict[str, float]:
    """When each file below a folder was changed."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}
