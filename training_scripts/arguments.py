"""The hyperparameters of train.py, as SageMaker passes them: `--name value`, every value a string. No torch here.

The same hyperparameter looks different in a job and in a trial (true, True or 1; 32 or 32.0; sgd or "sgd"), so the
readers below take all of these.
"""

from __future__ import annotations

import argparse
import json
import math
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn

from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE, FRAMES, FRAMINGS, RGB, VIEWS, channels_from
from training_scripts.heads import DEFAULT_HEAD, HEADS
from training_scripts.job import JobError

SCHEDULES = ("constant", "cosine")
BY_MODE: Mapping[str, Mapping[str, object]] = {
    "head": {"learning_rate": 5e-3, "schedule": "constant", "patience": 0},
    "fine_tune": {"learning_rate": 3e-4, "schedule": "cosine", "patience": 3},
}
"""Defaults by mode: a linear head on frozen features peaks between 3e-3 and 1e-2 (Adam), a whole network far below."""
DIRECT = "lbfgs"
"""The optimizer that goes to the lowest point of a convex loss at once: no learning rate, no epochs, no luck."""
OPTIMIZERS = ("adam", "adamw", "sgd", DIRECT)
_OF_ALL_MEMBERS = ("backbone", "weights", "preprocessing", "views", "frame", "channels", "mode", "features", "members")
MOST_MEMBERS = 20
_OF_THE_CONTAINER = ("_", "sagemaker_")
"""How hyperparameters begin that SageMaker adds for itself, such as _tuning_objective_metric."""


class Parser(ArgumentParser):
    """Says what is wrong in one sentence, through the failure file, instead of printing a usage text."""

    def error(self, message: str) -> NoReturn:
        """Raise `JobError` where argparse would print and exit."""
        # argparse says "argument --batch_size: batch_size is …", where the second half is a sentence already.
        name, colon, text = message.removeprefix("argument --").partition(": ")
        sentence = text if colon and text.startswith(name) else f"{name}{colon}{text}"
        raise JobError(sentence.rstrip(".") + ".")


def get_args_parser() -> ArgumentParser:
    """Return the hyperparameters with their defaults; None means the default of the mode (`BY_MODE`)."""
    # No -h and no abbreviations: a hyperparameter of one letter arrives as `-h`, and `--l` must not mean learning_rate.
    parser = Parser(prog="train.py", add_help=False, allow_abbrev=False, description=__doc__)
    parser.add_argument("--help", action="help", help="show this and exit")
    choice(parser, "backbone", tuple(BACKBONES), DEFAULT_BACKBONE, "the pretrained network")
    option(parser, "weights", text, "default", "default, none (untrained) or a file with the backbone's state_dict")
    choice(parser, "head", tuple(HEADS), DEFAULT_HEAD, "what is put on top of the backbone")
    preprocessing(parser)
    choice(parser, "mode", ("head", "fine_tune"), "head", "train the head alone, or the network too")
    choice(parser, "unfreeze", ("last_block", "all"), "last_block", "what fine_tune trains besides the head")
    option(parser, "fit_head", flag, True, "fine_tune: epoch 0 fits the head to the pretrained network")
    option(
        parser, "backbone_rate", number(0.0, 1.0, above=True), 0.1, "what of learning_rate a pretrained backbone gets"
    )
    option(parser, "num_epochs", whole(1), 10, "passes over the training pictures")
    option(parser, "batch_size", whole(1), 32, "pictures per step")
    option(parser, "learning_rate", number(0.0, above=True), None, "step size")
    option(parser, "schedule", one_of(SCHEDULES), None, f"of the step size: {', '.join(SCHEDULES)}")
    choice(
        parser, "optimizer", OPTIMIZERS, "adam", f"how the weights are moved; {DIRECT} fits a linear head to its end"
    )
    option(parser, "momentum", number(0.0, 1.0), 0.9, "of sgd")
    option(parser, "weight_decay", number(0.0), 0.0, f"L2 penalty (adam, sgd, {DIRECT}) or decoupled decay (adamw)")
    option(parser, "class_weights", number(0.0, 1.0), 0.0, "how far rare classes count more: 1: all classes alike")
    option(parser, "label_smoothing", number(0.0, 1.0), 0.0, "of the training loss; evaluation never smooths")
    option(parser, "folds", whole(0), 0, f"{DIRECT}: parts of a cross-validation over train and valid; 0: none")
    option(parser, "refit", flag, False, f"{DIRECT}: learn valid too in the end, which then judges no more")
    option(
        parser, "members", members, "[]", "what differs for each of several heads, whose mean the model is: a JSON list"
    )
    option(parser, "calibrate", flag, True, "set the model's temperature by what it says of the valid pictures")
    choice(parser, "augmentation", ("none", "light", "strong"), "none", "random changes to training pictures")
    option(parser, "seed", whole(0), 0, "of initial weights, order and augmentation")
    option(parser, "log_interval", whole(0), 10, "steps between lines with the batch loss; 0: none")
    choice(
        parser, "features", ("auto", "off"), "auto", "head mode: frozen features once, or the pictures in every epoch"
    )
    option(parser, "num_workers", whole(0), 0, "threads that decode pictures; 0: one per core")
    option(parser, "amp", flag, True, "mixed precision on a GPU, and for a ResNet's fine_tune on a CPU with bfloat16")
    option(parser, "patience", whole(0), None, "end after so many epochs without a better valid loss; 0: never")
    option(parser, "checkpoint_seconds", number(0.0), 10.0, "shortest time between two checkpoints")
    return parser


def parse_args(arguments: Sequence[str]) -> Namespace:
    """Read the hyperparameters; those that SageMaker adds for itself are passed over.

    Raises:
        JobError: a name is unknown, a value is wrong, or two do not fit together.
    """
    args, unknown = get_args_parser().parse_known_args(list(arguments))
    for item in unknown:
        name = item.lstrip("-").partition("=")[0]
        if item.startswith("-") and not name.startswith(_OF_THE_CONTAINER):
            raise JobError(unknown_name(name, vars(args)))
    for name, value in BY_MODE[args.mode].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    least = HEADS[args.head].least_batch
    if args.batch_size < least:
        raise JobError(
            f"batch_size {args.batch_size} cannot train the head {args.head}: it needs at least {least} pictures."
        )
    _check_direct(args)
    each_member(args)
    if args.mode == "head" and args.augmentation != "none" and args.features != "off":
        raise JobError("augmentation needs the pictures in every epoch: choose mode fine_tune, or features off.")
    return args


def each_member(args: Namespace) -> list[Namespace]:
    """Return the hyperparameters of each head whose mean the model is; none where it is one head.

    Raises:
        JobError: they are no heads over the same frozen features.
    """
    if args.members and (args.mode != "head" or args.features != "auto"):
        raise JobError("members are heads over frozen features: choose mode head and features auto.")
    found: list[Namespace] = []
    for settings in args.members:
        own, unknown = get_args_parser().parse_known_args(
            [part for name, value in settings.items() for part in (f"--{name}", value)]
        )
        if unknown:
            raise JobError(unknown_name(unknown[0].lstrip("-"), vars(args)))
        alike = [name for name in _OF_ALL_MEMBERS if name in settings]
        if alike:
            raise JobError(f"members differ in {alike[0]}, but their mean is of heads over the same features.")
        found.append(Namespace(**{**vars(args), **{name: getattr(own, name) for name in settings}, "members": ()}))
        _check_direct(found[-1])
    return found


def _check_direct(args: Namespace) -> None:
    if args.optimizer != DIRECT:
        for name in ("folds", "refit"):
            if getattr(args, name):
                raise JobError(f"{name} is for the optimizer {DIRECT}, the job has {args.optimizer}: leave it out.")
        return
    if args.mode != "head" or args.features != "auto":
        raise JobError(f"The optimizer {DIRECT} fits heads over frozen features: choose mode head and features auto.")
    if not HEADS[args.head].convex:
        fitting = ", ".join(head.name for head in HEADS.values() if head.convex)
        raise JobError(
            f"The optimizer {DIRECT} cannot fit the head {args.head}: choose {fitting}, or another optimizer."
        )
    if args.folds == 1:
        raise JobError("folds is 1, but a cross-validation has at least 2 parts; 0 is none.")


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Return a sentence on a hyperparameter that a script does not have, with the nearest name that it has."""
    import difflib  # seldom wanted, and each start of the window would wait for it

    nearest = difflib.get_close_matches(name.lower(), known, 1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"it has {', '.join(sorted(known))}."
    return f"The training script has no hyperparameter {name}: {hint}"


def preprocessing(parser: ArgumentParser) -> None:
    """Add what says how pictures are read, which train.py and features.py share."""
    choice(parser, "preprocessing", FRAMINGS, FRAMINGS[0], "how a picture becomes a square")
    choice(parser, "frame", FRAMES, FRAMES[0], "which frame of an animation, or page of a TIFF, is looked at")

    def chosen(value: str) -> str:
        channels_from(value)
        return value

    option(
        parser,
        "channels",
        chosen,
        RGB,
        f"which three channels are red, green and blue, as in 4,3,2; {RGB}: as they are",
    )

    def read(value: str) -> int:
        count = whole(1)(value)
        if count not in VIEWS:
            raise ValueError(f"but must be one of {', '.join(map(str, VIEWS))}")
        return count

    known = ", ".join(map(str, VIEWS))
    option(parser, "views", read, VIEWS[0], f"squares taken of a picture, whose features' mean is used: {known}")


def option(parser: ArgumentParser, name: str, read: Callable[[str], object], default: object, explanation: str) -> None:
    """Add `--name`, whose value `read` turns into what it means or raises ValueError with a sentence's end."""

    def checked(value: str) -> object:
        try:
            return read(unquoted(value))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{name} is {value!r}, {error}") from None

    parser.add_argument(f"--{name}", type=checked, default=default, metavar="VALUE", help=f"{explanation} ({default})")


def choice(parser: ArgumentParser, name: str, values: tuple[str, ...], default: str, explanation: str) -> None:
    """Add `--name` that takes one of `values`."""
    option(parser, name, one_of(values), default, f"{explanation}: {', '.join(values)}")


def members(value: str) -> tuple[dict[str, str], ...]:
    """Read the settings of several heads: [{"weight_decay": "0.01"}, …]."""
    try:
        found = json.loads(value) if value else []
        settings = tuple({str(name): str(text) for name, text in member.items()} for member in found)
    except (ValueError, AttributeError, TypeError):
        raise ValueError('but must be a JSON list such as [{"weight_decay": "0.01"}, {"head": "mlp"}]') from None
    if len(settings) > MOST_MEMBERS:
        raise ValueError(f"but {MOST_MEMBERS} members are the most")
    return settings


def one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    """Return a reader of one of `values`."""

    def read(value: str) -> str:
        if value not in values:
            raise ValueError(f"but must be one of {', '.join(values)}")
        return value

    return read


def text(value: str) -> str:
    """Return a text that is not empty."""
    if not value:
        raise ValueError("but must not be empty")
    return value


def whole(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers of at least `least`; 32.0 and 1e2 are whole."""

    def read(value: str) -> int:
        try:
            number_ = float(value)
        except ValueError:
            raise ValueError("which is not a whole number") from None
        if not number_.is_integer():
            raise ValueError("which is not a whole number")
        if number_ < least:
            raise ValueError(f"but must be at least {least}")
        return int(number_)

    return read


def number(low: float, high: float = math.inf, *, above: bool = False) -> Callable[[str], float]:
    """Return a reader of finite numbers from `low` (or only `above` it) to `high`."""

    def read(value: str) -> float:
        try:
            number_ = float(value)
        except ValueError:
            raise ValueError("which is not a number") from None
        if not math.isfinite(number_):
            raise ValueError("which is not a finite number")
        if number_ < low or number_ > high or (above and number_ == low):
            limits = f"above {low:g}" if above else f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
            raise ValueError(f"but must be {limits}")
        return number_

    return read


def flag(value: str) -> bool:
    """Return a reader of booleans as jobs and trials spell them: true, True, 1, yes and their opposites."""
    if value.lower() in ("true", "1", "yes", "on"):
        return True
    if value.lower() in ("false", "0", "no", "off", ""):
        return False
    raise ValueError("but must be true or false")


def unquoted(value: str) -> str:
    """Return `value` without the double quotes of a JSON string."""
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value
