"""What the engine is asked for: a detection, from a volume node to landmarks in the scene, or a key image."""

import numpy as np
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import CarotidLandmarkError

from .coordinates import ijkToRas


class EngineRun:
    """Has the engine detect in a volume and puts what comes back into the scene, or draw a picture; one at a time.

    transferVolume(volumeNode) makes a VolumeTransfer.
    volumeNode is that of the work under way, else None; isDrawing tells whether that is a picture. text and fraction (0
    to 1) are its progress. message is a sentence about the last one, an error if failed. onChanged() is called
    after any of them has changed and onDetected(landmarkNode) when the landmarks are in the scene.
    """

    def __init__(self, landmarkScene, engine, transferVolume):
        self.landmarkScene = landmarkScene
        self.engine = engine
        self.transferVolume = transferVolume
        self.volumeNode = None
        self.isDrawing = False
        self.text = ""
        self.fraction = 0.0
        self.message = ""
        self.failed = False
        self.onChanged = lambda: None
        self.onDetected = lambda landmarkNode: None
        self._transfer = None
        self._geometry = self._voxels = None  # what the engine is given of the volume
        self._sent = False
        self._verdict = ""  # what to say instead of the result, once nobody waits for it any more
        engine.onProgress = self._onProgress
        engine.onResult = self._onResult
        engine.onPicture = self._onPicture
        engine.onError = lambda message: self._end(self._verdict or message, failed=not self._verdict)
        engine.onCancelled = lambda: self._end(self._verdict)
        engine.onStateChanged = lambda state: self.onChanged()

    @property
    def busy(self):
        """True while a detection or a picture is under way."""
        return self.volumeNode is not None

    @property
    def cancelling(self):
        """True while something is under way that nobody waits for any more."""
        return bool(self._verdict)

    def start(self, volumeNode, request):
        """Begin with a volume that was checked; request holds the settings as the engine's protocol names them."""
        self._begin(volumeNode, request, isDrawing=False)

    def startPicture(self, volumeNode, request):
        """Begin to draw what was detected in the volume; request: see keyImage.pictureRequest."""
        self._begin(volumeNode, request, isDrawing=True)

    def _begin(self, volumeNode, request, isDrawing):
        self.volumeNode = volumeNode
        self.isDrawing = isDrawing
        self.text = _("handing over the volume")
        self.fraction = 0.0
        self._sent = False
        self._geometry, self._voxels = ijkToRas(volumeNode), _voxels(volumeNode)
        self._transfer = self.transferVolume(volumeNode)
        self.say("")
        self._transfer.start(
            lambda path: self._send(dict(request, path=path, case=volumeNode.GetName(), temporary=True)),
            lambda message: self._end(message, failed=True),
        )

    def cancel(self, verdict=""):
        """Stop; the scene stays as it was. verdict is the sentence to say then."""
        if self.busy and not self.cancelling:
            self._verdict = verdict or self._named(
                _("The detection was cancelled; nothing has changed."), _("The key image was cancelled.")
            )
            self.text = _("cancelling")
            self.onChanged()
            if self._sent:
                self.engine.cancel()
            else:
                self._end(self._verdict)

    def cancelIfDeleted(self):
        """Stop if the volume has left the scene."""
        if self.busy and not slicer.mrmlScene.IsNodePresent(self.volumeNode):
            name = self.volumeNode.GetName()
            verdict = self._named(
                _("{volume} was deleted, so its detection was dropped."),
                _("{volume} was deleted, so its key image was dropped."),
            )
            self.cancel(verdict.format(volume=name))

    def cancelForClosing(self):
        """Stop, since the scene is closed."""
        self.cancel(
            self._named(
                _("The scene was closed, so the detection was dropped."),
                _("The scene was closed, so the key image was dropped."),
            )
        )

    def close(self):
        """Stop the engine; nothing is called any more."""
        self.onChanged = lambda: None
        self.engine.stop()
        self._end("")

    def say(self, message, failed=False):
        """Show a sentence; the next one takes its place."""
        self.message = message
        self.failed = failed
        self.onChanged()

    def _send(self, request):
        wasMoved = not np.array_equal(self._geometry, ijkToRas(self.volumeNode))
        if wasMoved or self._voxels != _voxels(self.volumeNode):
            self._end(self._changed(), failed=True)
            return
        self._sent = True
        if self.isDrawing:
            self.engine.draw(request)
        else:
            self.engine.detect(request)

    def _named(self, detection, picture):
        return picture if self.isDrawing else detection

    def _onProgress(self, text, fraction):
        if self.busy and not self.cancelling:
            self.text = text
            self.fraction = fraction
            self.onChanged()

    def _onResult(self, detection):
        if not self.busy or self.cancelling:
            self._end(self._verdict)
        elif self._voxels != _voxels(self.volumeNode):
            self._end(self._changed(), failed=True)
        else:
            volumeNode, geometry, reference = self.volumeNode, self._geometry, self._transfer.reference
            self._end("")
            detection = {**detection, "volume": {**detection["volume"], **reference}}
            self._apply(volumeNode, detection, self.engine.lumens, geometry)

    def _onPicture(self, file):
        self._end(self._verdict or _("The key image was written to {path}.").format(path=file))

    def _changed(self):
        text = _("“{volume}” was changed meanwhile, so the result would not belong to it: start again.")
        return text.format(volume=self.volumeNode.GetName())

    def _apply(self, volumeNode, detection, lumens, geometry):
        landmarkNode = self.landmarkScene.landmarkNode(volumeNode)
        reviews = self.landmarkScene.reviews(landmarkNode) if landmarkNode is not None else {}
        try:
            landmarkNode = self.landmarkScene.applyDetection(volumeNode, detection, lumens, geometry)
        except CarotidLandmarkError as error:
            self.say(str(error), failed=True)
            return
        sentences = [_summary(detection), self.engine.note, *detection["warnings"]]
        if len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) > 1:
            sentences[0] = _("“{volume}”: {summary}").format(volume=volumeNode.GetName(), summary=sentences[0])
        if any(review.decision != "unreviewed" for review in reviews.values()):
            sentences.append(_("Undo brings the earlier decisions back."))
        self.say(" ".join(filter(None, sentences)))
        self.onDetected(landmarkNode)

    def _end(self, message, failed=False):
        if self._transfer is not None:
            self._transfer.remove()
        self.volumeNode = self._transfer = self._geometry = self._voxels = None
        self._verdict = ""
        self.say(message, failed)


def _voxels(volumeNode):
    """What is another one once the volume has other voxels: its image, and when that was changed last."""
    image = volumeNode.GetImageData()
    return image, image and image.GetMTime()


def _summary(detection):
    statuses = [landmark["status"] for landmark in detection["landmarks"]]
    if "review" in statuses:
        text = _("Detected in {seconds:.1f} s; look at what is marked review before you use it.")
    elif "absent" in statuses:
        text = _("Detected in {seconds:.1f} s; not every bifurcation was found.")
    else:
        text = _("Both bifurcations were found in {seconds:.1f} s.")
    return text.format(seconds=detection["timing_s"]["total"])
