"""The module Extract Centerline of the extension SlicerVMTK, if the user has it."""

import slicer


def isInstalled():
    """Return whether the application has the module."""
    return hasattr(slicer.modules, "extractcenterline")


def openWith(surfaceNode, seedsNode):
    """Choose the surface (None: none) and the seeds in the module, which is installed, and switch to it."""
    import ExtractCenterline

    parameterNode = ExtractCenterline.ExtractCenterlineLogic().getParameterNode()
    parameterNode.SetNodeReferenceID("InputSurface", surfaceNode.GetID() if surfaceNode is not None else None)
    parameterNode.SetNodeReferenceID("EndPoints", seedsNode.GetID())
    slicer.util.selectModule("ExtractCenterline")
