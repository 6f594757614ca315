"""`sagehound watch -- COMMAND`: a training script as it is, with findings on stderr as they come."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from core.cli.console import Console
from core.errors import UsageError, UserFacingError
from core.paths import AppPaths, give_away, make_outside
from core.translation import tr

TRIAL_STEPS = 60
"""Steps that a script runs with a remedy beyond the one at which the finding came."""


def add_watch_command(commands: Any) -> None:
    """Declare the command; what follows `--` is the script's own."""
    text = tr("run a PyTorch training script as it is, and say what goes wrong in it")
    parser = commands.add_parser("watch", help=text, description=text)
    parser.set_defaults(json=False, help_text=parser.format_help)
    parser.add_argument(
        "--stop-on",
        action="append",
        default=[],
        metavar="RULE",
        help=tr("end the script when this rule finds an issue; may be given more than once"),
    )
    parser.add_argument(
        "--try-remedy",
        action="store_true",
        help=tr(
            "after a finding run the script once more, shortly, with its remedy, and say what "
            "happened; your script is not changed, but what it writes it writes again"
        ),
    )
    parser.add_argument("--json", dest="json_file", metavar="FILE", help=tr("write the findings to FILE at the end"))
    parser.add_argument("--attach", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--name", default="", help=tr("what to call the job; the script's name if it is not given"))
    parser.add_argument("script", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="python train.py …")


def watch(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Run a script and watch it; the exit status is the script's."""
    from core.engines.local.watched import AttachedTraining, WatchedScript

    if options.attach is not None:
        training = AttachedTraining(options.attach, options.name, paths)
        answer = {"job": training.name, "folder": str(training.create()), "classes": str(paths.watched_models)}
        print(json.dumps(answer), flush=True)
        training.run()
        return 0
    command = options.script[1:] if options.script[:1] == ["--"] else options.script
    if not command:
        raise UsageError(tr("There is no command to watch."), fix=tr("Write sagehound watch -- python train.py …"))
    _check_rules(options.stop_on)
    script = WatchedScript(command, paths, options.stop_on, _say, options.name)
    status = script.run()
    if script.stopped:
        print(tr("sagehound: the script was ended. {stopped}").format(stopped=script.stopped), file=sys.stderr)
    if options.try_remedy:
        _try_remedy(script, paths)
    if options.json_file:
        _write(Path(options.json_file).expanduser(), script, status)
    return status


def _try_remedy(script: Any, paths: AppPaths) -> None:
    """Run the script again with the remedy of the leading finding, and say whether it is found once more."""
    from tempfile import TemporaryDirectory

    from core.engines.local.remedies import trial_of
    from core.engines.local.watched import WatchedScript
    from core.jobs.status import RuleStatus

    found = [item for item in script.outcomes if item.status is RuleStatus.ISSUES_FOUND and not item.follows_from]
    if not found:
        _tell(tr("there is no finding whose remedy could be tried."))
        return
    lead = found[0]
    with TemporaryDirectory(prefix="sagehound-") as scratch:
        trial = trial_of(lead, script.command, Path(scratch))
        if isinstance(trial, str):
            _tell(tr("the remedy of {rule} was not tried: {trial}.").format(rule=lead.rule, trial=trial))
            return
        _tell(tr("trying the remedy of {rule}:\n{change}").format(rule=lead.rule, change=trial.change.rstrip()))
        again = WatchedScript(trial.command, paths, name="remedy")
        again.first, again.steps = trial.folder, (lead.first_step or 0) + TRIAL_STEPS
        status = again.run()
    names = {item.rule for item in again.outcomes if item.status is RuleStatus.ISSUES_FOUND}
    looked = any(item.rule == lead.rule for item in again.outcomes)
    others = ", ".join(sorted(names - {lead.rule}))
    beside = tr("Beside it: {others}.").format(others=others) if others else ""
    if status:
        _tell(
            tr("with the remedy the script failed (exit status {status}), so it says nothing ({name}). {beside}")
            .format(status=status, name=again.name, beside=beside)
            .rstrip()
        )
    elif lead.rule in names:
        _tell(
            tr("{rule} is found with the remedy too: it was not this alone ({name}). {beside}")
            .format(rule=lead.rule, name=again.name, beside=beside)
            .rstrip()
        )
    elif not looked:
        _tell(
            tr("with the remedy {rule} was not looked at before the script ended ({name}). {beside}")
            .format(rule=lead.rule, name=again.name, beside=beside)
            .rstrip()
        )
    else:
        _tell(
            tr("with the remedy {rule} is not found any more within {steps} steps ({name}). {beside}")
            .format(rule=lead.rule, steps=again.steps, name=again.name, beside=beside)
            .rstrip()
        )


def _tell(text: str) -> None:
    print(f"sagehound: {text}", file=sys.stderr, flush=True)


def finding_line(outcome: Any) -> str:
    """Return a finding in one line: step, place, rule, cause, what to do."""
    from training_scripts.watch.catalogue import INVARIANTS

    where = f" {outcome.file}:{outcome.line}:" if outcome.file else ""
    step = "" if outcome.first_step is None else f" step {outcome.first_step}:"
    if str(outcome.status) != "IssuesFound":
        return f"sagehound: {outcome.rule}: {outcome.details}"
    # Of what was seen at the first step and at the last the line has the first.
    seen = outcome.details.removeprefix(f"Step {outcome.first_step}: ").split(" Step ")[0]
    what = outcome.meaning if outcome.rule in INVARIANTS else seen
    then = (
        tr("(follows from {follows_from})").format(follows_from=outcome.follows_from)
        if outcome.follows_from
        else outcome.advice
    )
    return f"sagehound:{step}{where} {outcome.rule}: {what} {then}".rstrip()


def _say(outcome: Any) -> None:
    print(finding_line(outcome), file=sys.stderr, flush=True)


def _check_rules(names: list[str]) -> None:
    from training_scripts.debugger.rules import RULES
    from training_scripts.watch.catalogue import INVARIANTS

    for name in names:
        if name not in RULES and name not in INVARIANTS:
            from difflib import get_close_matches

            near = get_close_matches(name, [*INVARIANTS, *RULES], 1)
            fix = tr("Perhaps you mean {near}.").format(near=near[0]) if near else tr("docs/RULES.md lists them.")
            raise UsageError(tr("There is no rule {name}.").format(name=name), fix=fix)


def _write(file: Path, script: Any, status: int) -> None:
    """Write what was found as JSON."""
    from core.jobs.status import RuleStatus

    rules = [
        {
            "name": outcome.rule,
            "status": str(outcome.status),
            "step": outcome.first_step,
            "cause": outcome.meaning or outcome.details,
            "details": outcome.details,
            "file": outcome.file,
            "line": outcome.line,
            "remedy": outcome.advice,
            "follows_from": outcome.follows_from,
        }
        for outcome in script.outcomes
        if outcome.status in (RuleStatus.ISSUES_FOUND, RuleStatus.ERROR)
    ]
    text = json.dumps({"job": script.name, "exit_status": status, "rules": rules}, indent=1)
    try:
        make_outside(file.parent)
        file.write_text(text + "\n", encoding="utf-8")
        give_away(file)
    except OSError as error:
        with contextlib.suppress(BrokenPipeError):
            print(
                "sagehound: "
                + str(
                    UserFacingError(
                        tr("The findings could not be written to {file}.").format(file=file), f"{error.strerror}."
                    )
                ),
                file=sys.stderr,
            )
