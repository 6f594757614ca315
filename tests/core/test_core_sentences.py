"""Every sentence of core that people read is translated: a call of `tr` or `plural`, whole, with named fields."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from core.paths import ROOT

NOT_SHOWN = ("api.py", "model_card.py", "pdf.py", "pdf_charts.py", "pdf_layout.py", "script.py", "style.py", "svg.py")
"""Files of core without sentences for this screen: drawing, what is written for others, and a stranger's process."""
NAMES = {
    *("Average loss", "Issue found", "No issue", "Too few data", "Does not apply"),  # kept in specs and reports
    *("Ray Serve", "Label Studio", "Teachable Machine", "Core ML", "LiteRT (TensorFlow Lite)", "AWS Debugger"),
    *("Hugging Face imagefolder", "Ultralytics classify", "Amazon SageMaker", "CVAT, Datumaro, FiftyOne"),
    *("pandas, datasets, most scripts", "Label Studio, label-studio-sdk", "system volume information"),
    # Measures: the same name in a profile, its findings and its charts.
    *("CPU of the job", "Memory of the job", "X of the job", "Busiest core", "GPU memory", "Training loop"),
    *("Disk read", "Disk write", "Disk operations", "Network received", "Network sent", "Data loading", "Not traced"),
    *("bytes per second", "per second", "accuracy/kept model, X", "step seconds/X", "X:accuracy of the kept model"),
    # What AWS, torch and our scripts write, to be recognised.
    *("Number of instances across all processing jobs", "spot training job usage", "training job usage"),
    *("X for endpoint usage", "ML Instance", "Cannot create already existing", "No space left on device"),
    *("unrecognized arguments: (.+)", "did not pass the ping health check", "Device Type", "Device Id"),
    *("Total Allocated", "est. achieved occupancy %", "External id", "external id"),
    *("The picture", "The picture ", "The file ", "A supervisor begins: ", "This supervisor was ended: it "),
    # Lines of code.
    *("XX, shuffle=TrueX", "X X instead of X\n", "python train.py …", "`yolo classify train data=FOLDER`"),
}
"""What core names or reads, and no sentence."""

_CODE = re.compile(
    r"^\s*(SELECT|INSERT|CREATE|UPDATE|DELETE|PRAGMA|DROP|ALTER|BEGIN|\()|\bimport \w|\bFROM \w|</|/>|[=:]['\"#]"
    r"|\w = \w+\.|\{color-scheme|\\[bwdSs.(]|\(\?|\||\n    |^text/|^--|^pip install|^sudo |^aws sso|^\[part|^part\("
    r"|^[A-Z_0-9]+( [A-Z_0-9]+)+ ?$|^answer if |^\S+, \w+, \w+, "
)
_INTERNAL = re.compile(
    r"^(_logger|_log|logging)\.|\b(ValueError|TypeError|KeyError|AttributeError|RuntimeError|OSError|AssertionError)$"
    r"|\.(startswith|endswith|removeprefix|removesuffix|split|rsplit|partition|replace|compile|execute|executescript)$"
)
_WORDS = re.compile(r"[A-Za-z]{2,}[,.;:]? [A-Za-z]{2,}")


def is_translated(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tr", "plural")


def text_of(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def sentences_of_core(node: ast.AST) -> Iterator[str]:
    """Yield what looks like a sentence below a node and is not translated; logs, code and what is compared are none."""
    if is_translated(node) or isinstance(node, ast.Compare | ast.arguments):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and _INTERNAL.search(ast.unparse(node.func)):
        return
    text = text_of(node)
    if _WORDS.search(text):
        if not (text.isupper() or _CODE.search(text) or text in NAMES):
            yield text
        return
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.Dict):
        children = iter(node.values)
    elif isinstance(node, ast.AnnAssign):
        children = iter([node.value] if node.value else [])
    for child in children:
        yield from sentences_of_core(child)


def test_all_sentences_of_core_are_translated():
    shown = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sorted((ROOT / "core").rglob("*.py"))
        if path.name not in NOT_SHOWN
        for text in sentences_of_core(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not shown
