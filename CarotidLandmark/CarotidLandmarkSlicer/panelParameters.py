"""What the user has chosen in the panel, stored as text on the module's parameter node and so in the scene."""

import dataclasses
from dataclasses import dataclass

import slicer

from CarotidLandmarkLib.detect import SAMPLES

VOLUME = "Volume"  # role of the node reference
READER = ("correctionsFolder", "initials")  # also kept in the application's settings, for the next scene
DISPLAY = ("uncertaintyVisible", "opacity", "confidence", "colorByStatus", "lumenVisible", "centrelinesVisible")
LIMITS = {"samples": (1, 500), "seed": (0, 999999), "opacity": (0.0, 1.0), "confidence": (0.50, 0.99)}


@dataclass
class PanelParameters:
    """device as the engine names it; opacity and confidence are fractions; weights "" are the bundled ones.

    weightsSha256 is the checksum that the file had when it was chosen. fork: whether to look at the lumen.
    """

    device: str = "auto"
    samples: int = SAMPLES
    seed: int = 0
    weights: str = ""
    weightsSha256: str = ""
    uncertaintyVisible: bool = True
    opacity: float = 0.35
    confidence: float = 0.90
    colorByStatus: bool = True
    correctionsFolder: str = ""
    initials: str = ""
    anonymise: bool = True
    copyVolume: bool = False
    dicomReport: bool = False
    fork: bool = True
    lumenVisible: bool = True
    centrelinesVisible: bool = True


def readParameters(parameterNode):
    """Return the PanelParameters of the node; what is missing, unreadable or out of range there is the default."""
    parameters = PanelParameters()
    for field in dataclasses.fields(PanelParameters):
        if not parameterNode.HasParameter(field.name):
            continue
        value = _parse(parameterNode.GetParameter(field.name), type(field.default))
        low, high = LIMITS.get(field.name, (None, None))
        if value is not None and (low is None or low <= value <= high):
            setattr(parameters, field.name, value)
    return parameters


def writeParameters(parameterNode, **changes):
    """Store the changed parameters, by their names in PanelParameters; one modified event."""
    wasModifying = parameterNode.StartModify()
    for name, value in changes.items():
        parameterNode.SetParameter(name, str(value).lower() if isinstance(value, bool) else str(value))
    parameterNode.EndModify(wasModifying)


def readerHere():
    """Return what the application's settings know of the reader, by name; "" where that is nothing."""
    return {name: slicer.util.settingsValue(f"CarotidLandmark/{name}", "") for name in READER}


def keepReader(parameterNode):
    """A scene was loaded, perhaps a colleague's: the reader stays who works here, and exports name no patient."""
    writeParameters(parameterNode, anonymise=True, dicomReport=False, **readerHere())


def detectionSettings(parameters):
    """Return what the engine is told of PanelParameters, as its protocol names it."""
    names = ("samples", "confidence", "seed", "device", "fork")
    return {**{name: getattr(parameters, name) for name in names}, "weights": parameters.weights or None}


def _parse(text, kind):
    if kind is bool:
        return {"true": True, "false": False}.get(text)
    try:
        return kind(text)
    except ValueError:
        return None
