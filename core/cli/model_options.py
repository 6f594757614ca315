"""The options of `export`, `serve` and `sort`: what is done with a model that is trained."""

from __future__ import annotations

from core.models.export.formats import FORMATS
from core.translation import tr

_MODEL = tr("a job's name or `best`, a model.tar.gz, an exported model or an endpoint's name")
_MODEL_OR_BEST = tr("a job's name or `best`, a model.tar.gz, an exported model or an endpoint's name (default: best)")


def add_model_commands(command) -> None:  # type: ignore[no-untyped-def]
    """Add the commands that take a trained model elsewhere."""
    export = command(
        "export", tr("write a model in a form that others run, with a script that asks it and a model card")
    )
    export.add_argument("model", help=_MODEL)
    export.add_argument(
        "--format",
        choices=list(FORMATS),
        required=True,
        help="; ".join(f"{f.name}: {f.title}" for f in FORMATS.values()),
    )
    endings = ", ".join(format_.suffix for format_ in FORMATS.values())
    export.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE|FOLDER",
        help=tr("a new folder for all of it; or the model alone, by its ending: {endings}").format(endings=endings),
    )
    serve = command("serve", tr("answer as a SageMaker endpoint does, on this machine, with a page for people"))
    serve.add_argument("model", nargs="?", default="best", help=_MODEL_OR_BEST)
    serve.add_argument(
        "--port", type=int, default=8080, metavar="PORT", help=tr("default %(default)s; 0 for a free one")
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help=tr("where to listen; 0.0.0.0 lets other machines ask (default: this one alone)"),
    )
    serve.add_argument("--token", default="", help=tr("what a request must have, as Authorization: Bearer TOKEN"))
    sort = command("sort", tr("put the pictures of a folder where a model says, those it is unsure of apart"))
    sort.add_argument("folder", nargs="?", help=tr("a folder of pictures"))
    sort.add_argument("--model", default="best", help=_MODEL_OR_BEST)
    sort.add_argument("--into", metavar="OUT", help=tr("where the class folders, the journal and sorted.csv go"))
    ways = sort.add_mutually_exclusive_group()
    ways.add_argument("--copy", dest="way", action="store_const", const="copy", default="copy", help="copy (default)")
    ways.add_argument("--move", dest="way", action="store_const", const="move", help=tr("move the files"))
    ways.add_argument(
        "--csv", dest="way", action="store_const", const="csv", help=tr("only write the table sorted.csv")
    )
    sort.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        metavar="P",
        help=tr("pictures whose class has a lower probability go to the folder _unsure (default 0: none)"),
    )
    sort.add_argument("--watch", action="store_true", help=tr("take new pictures as they come, until Ctrl-C"))
    sort.add_argument("--undo", metavar="OUT", help=tr("take back all that was sorted into OUT, instead of sorting"))
