"""What is said of options that a command does not have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from core.errors import UsageError
from core.translation import tr

_WITH_HYPERPARAMETERS = ("tune", "train")


def unknown_option(command: str, help_text: str, words: Sequence[str], arguments: Sequence[str]) -> UsageError:
    """Return the sentence on the first of the words that a command did not take, with what may have been meant.

    Args:
        command: the command's name.
        help_text: what it says of itself, for the options that it has.
        words: what was left over, in order.
        arguments: all that was given; argparse may have taken the option's value for something else.
    """
    option, _, given = words[0].partition("=")
    if not option.startswith("-"):
        return UsageError(
            tr("{command} does not know what to do with {word}.").format(command=command, word=words[0]),
            fix=tr("See sagehound {command} --help.").format(command=command),
        )
    value = (
        given or next((word for word in _after(words[0], arguments) if not word.startswith("--")), "") or tr("VALUE")
    )
    return UsageError(
        tr("{command} has no option {option}.").format(command=command, option=option),
        fix=_meant(command, option, help_text, value),
    )


def _after(word: str, arguments: Sequence[str]) -> Sequence[str]:
    """Return the one word that follows, if there is one."""
    at = arguments.index(word) + 1 if word in arguments else len(arguments)
    return arguments[at : at + 1]


def _meant(command: str, option: str, help_text: str, value: str) -> str:
    name = option.lstrip("-").replace("-", "_")
    if command in _WITH_HYPERPARAMETERS and name in _hyperparameters():
        return tr("It is a hyperparameter: --static {name}={value}").format(name=name, value=value)
    options = sorted(set(re.findall(r"(?<![\w-])--([a-z][\w-]*)", help_text)))
    if near := get_close_matches(name.replace("_", "-"), options, 1):
        return tr("Did you mean --{option}?").format(option=near[0])
    return tr("See sagehound {command} --help.").format(command=command)


def _hyperparameters() -> set[str]:
    from core.jobs.hyperparameters import defaults

    return set(defaults())
