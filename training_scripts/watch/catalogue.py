"""The invariants that hold in every healthy training, by name: what breaks them, and where they stand among causes.

Declared here once; the checks report by these names, and the order of causes, the list of rules and docs/RULES.md read
this table. It imports nothing, so that the command line can read it without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Breaks = Literal["training", "evaluation", "nothing"]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant. `about` says when it fires.

    `breaks`: what else goes wrong because of it; other findings about that follow from this one. A `symptom` may itself
    follow from another finding.
    """

    name: str
    about: str
    breaks: Breaks = "training"
    symptom: bool = False


INVARIANTS = {
    item.name: item
    for item in (
        # What the loop does.
        Invariant("GradientsNotCleared", "Fires when backward adds to gradients that a step has already used."),
        Invariant("GradientsClearedBeforeStep", "Fires when gradients are cleared between backward and the step."),
        Invariant("StepBeforeBackward", "Fires when the optimizer steps without gradients of this batch."),
        Invariant("LossMaximised", "Fires when backward starts from minus the loss."),
        Invariant("OptimizerRemade", "Fires when the optimizer is made again and again, so that its state is lost."),
        Invariant("SchedulerOutOfStep", "Fires when the scheduler steps twice for a step of the optimizer, or before."),
        Invariant("ClippedWithoutEffect", "Fires when gradients are clipped where it has no effect, or while scaled."),
        # What the optimizer holds.
        Invariant(
            "OptimizerMissesParameters",
            "Fires when parameters get gradients that no optimizer uses, or left the model.",
        ),
        Invariant("OptimizerHoldsTwice", "Fires when a parameter is held twice, by one optimizer or by two."),
        Invariant(
            "FrozenParametersChange", "Fires when parameters that should be frozen are changed by the optimizer."
        ),
        # What the model does.
        Invariant("EvalModeWhileTraining", "Fires when the model, or its dropout or batch norm, trains in eval mode."),
        Invariant(
            "TrainModeWhileEvaluating",
            "Fires when a model is evaluated, or only asked beside the trained one, in train mode.",
            "evaluation",
        ),
        Invariant(
            "SoftmaxBeforeLoss", "Fires when a loss that wants logits gets probabilities, or the other way round."
        ),
        Invariant("LossShapesDiffer", "Fires when outputs and targets of a loss have different shapes."),
        Invariant("OutputsUnlikeLabels", "Fires when the outputs are not one for each class of the labels."),
        Invariant(
            "WeightDecayOnNormalisation",
            "Fires when normalisation layers are pulled to zero by weight decay.",
            "nothing",
        ),
        # What goes in.
        Invariant("InputsNotScaled", "Fires when the first layer gets values as large as those of raw pictures."),
        Invariant("InputsAlike", "Fires when all the inputs of a batch are the same."),
        Invariant("SameBatchAgain", "Fires when step after step trains on the same batch."),
        Invariant("ShuffleOff", "Fires when the training data comes in one fixed order, or sorted by class."),
        Invariant("LabelsContradict", "Fires when the same input comes back with another label."),
        Invariant("NormalisationDiffers", "Fires when inputs are scaled otherwise in evaluation, or for the backbone."),
        Invariant("AugmentedValidation", "Fires when the data of evaluations is augmented at random.", "evaluation"),
        Invariant(
            "ClassOrderShifts",
            "Fires when training, validation or serving number the classes differently.",
            "evaluation",
        ),
        Invariant("SplitsShareInputs", "Fires when validation has inputs that were trained on.", "evaluation"),
        Invariant(
            "NearDuplicates", "Fires when validation has pictures nearly the same as some of training.", "evaluation"
        ),
        # What the machine does.
        Invariant("ReplicasDiverge", "Fires when the processes of a distributed training hold different parameters."),
        Invariant("LoaderStarves", "Fires when most of the time of a step is spent waiting for data.", "nothing"),
        Invariant("MemoryGrows", "Fires when memory grows step by step, or graphs of old steps are kept.", "nothing"),
        # What shows in the numbers.
        Invariant("NaNSource", "Fires when the loss is NaN or Inf; says where it came from.", symptom=True),
        Invariant("OverflowSkipped", "Fires when mixed precision skips step after step.", symptom=True),
        Invariant(
            "UpdateOutOfProportion", "Fires when steps are far too large or small for the weights.", symptom=True
        ),
        Invariant("ParametersNeverChange", "Fires when parameters that are trained stay as they are.", symptom=True),
        Invariant(
            "Underfitting",
            "Fires when the training loss comes to rest while it is high, and something in the script is the reason.",
            symptom=True,
        ),
        Invariant("NoBetterThanGuessing", "Fires when the loss stays where guessing would put it.", symptom=True),
    )
}
