"""Sample data: the library's phantom, and its true points."""

import os

import slicer

from CarotidLandmarkLib.sample_data import POINTS, VOLUME

CATEGORY = "Carotid Landmark"
NAME, NODE_NAME = "Carotid CTA phantom", "CarotidCTAPhantom"
TRUTH_NAME, TRUTH_NODE_NAME = "Carotid CTA phantom, true points", "CarotidCTAPhantomTruth"


def register():
    """Offer both in the module Sample Data."""
    from SampleData import SampleDataLogic

    icons = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Resources", "Icons")
    for name, nodeName, load in ((NAME, NODE_NAME, loadPhantom), (TRUTH_NAME, TRUTH_NODE_NAME, loadTruth)):
        SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            uris="",
            fileNames=None,
            nodeNames=nodeName,
            thumbnailFileName=os.path.join(icons, "CarotidLandmark.png"),
            customDownloader=lambda source, load=load: [load()],
        )


def loadPhantom():
    """Load the phantom and return its volume node."""
    return slicer.util.loadVolume(str(VOLUME), properties={"name": NODE_NAME})


def loadTruth():
    """Load the points where the phantom's carinas are and return their node, which is locked."""
    node = slicer.util.loadMarkups(str(POINTS))
    node.SetName(TRUTH_NODE_NAME)
    node.SetLocked(True)
    return node
