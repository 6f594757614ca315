"""The remedy of a finding in a copy of the script, or in an option of its command; honest where that can't be."""

import pytest

from core.engines.local.remedies import trial_of
from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus

SCRIPT = """from torch.utils.data import DataLoader
loader = DataLoader(data, batch_size=8)
for x, y in loader:
    loss = criterion(model(x), y)
    (-loss).backward()
    self.optimizer.step()
"""


def finding(rule, file="", line=None, advice=""):
    return RuleOutcome("job", rule, RuleStatus.ISSUES_FOUND, 0.0, file=str(file), line=line, advice=advice)


@pytest.mark.parametrize(
    ("rule", "line", "expected"),
    [
        ("GradientsNotCleared", 5, "    self.optimizer.zero_grad()\n    (-loss).backward()\n"),
        ("ShuffleOff", 2, "loader = DataLoader(data, batch_size=8, shuffle=True)\n"),
        ("LossMaximised", 5, "    loss.backward()\n"),
    ],
)
def test_a_line_is_changed_in_a_copy(tmp_path, rule, line, expected):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    trial = trial_of(finding(rule, script, line), ["python", str(script), "--epochs", "2"], scratch)
    assert script.read_text(encoding="utf-8") == SCRIPT
    assert trial.command == ("python", str(scratch / "train.py"), "--epochs", "2")
    assert expected in (scratch / "train.py").read_text(encoding="utf-8")
    assert trial.folder == str(tmp_path)
    assert "+" in trial.change


def test_the_learning_rate_is_an_option_of_the_command(tmp_path):
    named = finding("UpdateOutOfProportion", advice="Lower the learning rate, to 0.002 or so.")
    assert trial_of(named, ["python", "t.py", "--lr", "5"], tmp_path).command == ("python", "t.py", "--lr", "0.002")
    unnamed = finding("LearningRateTooHigh")
    assert trial_of(unnamed, ["t", "--learning-rate=5", "-v"], tmp_path).command == ("t", "--learning-rate=0.5", "-v")
    assert "none of --lr" in trial_of(named, ["python", "t.py"], tmp_path)


def test_what_cannot_be_changed_says_why(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("import x\nx.run(__file__)\n", encoding="utf-8")
    assert "needs you" in trial_of(finding("InputsNotScaled", script, 1), ["python", str(script)], tmp_path)
    assert "not in the script" in trial_of(finding("ShuffleOff", tmp_path / "other.py", 1), [str(script)], tmp_path)
    assert "beside itself" in trial_of(finding("ShuffleOff", script, 1), [str(script)], tmp_path)
    script.write_text("import x\nloader = x.make(1)\n", encoding="utf-8")
    assert "line 2" in trial_of(finding("ShuffleOff", script, 2), [str(script)], tmp_path)
