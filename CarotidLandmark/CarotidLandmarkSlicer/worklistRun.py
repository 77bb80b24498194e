"""A worklist at work: its list, its one case in the scene, the next one read ahead, the reader's place kept."""

import os
import re

import qt
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import CarotidLandmarkError
from CarotidLandmarkLib.worklist.cases import WorkCase
from CarotidLandmarkLib.worklist.marks import BEAT_S, Mark, Session
from CarotidLandmarkLib.worklist.worklist import Worklist

from .landmarkRecord import LandmarkRecord
from .worklistCase import CASE, addCase, findCase, removeCase
from .worklistChild import ChildRequest, VolumesAhead


class WorklistRun:
    """Opens a list and its cases, one at a time. say(message, failed) is told what the user should know.

    ``worklist`` is the library's Worklist, None before a list is open. ``isReading`` tells whether a list is being
    read, ``coming`` is the case that is on its way, ``volumeNode`` the one that is open, also once somebody has deleted
    it, ``name`` its name ("": none).
    ``resumeAt`` is the name of the case that step() opens where none is open. ``shown`` is the filter by which the next
    case is chosen, one of worklist.FILTERS.
    onChanged() is called after any of it has changed, onOpened(volumeNode, landmarkNode) when a case is in the scene.
    """

    def __init__(self, landmarkScene, exporter, say):
        self.landmarkScene = landmarkScene
        self.say = say
        self.worklist = None
        self.source = ""
        self.shown = "todo"
        self.volumeNode = None
        self.name = ""
        self.resumeAt = None
        self.onChanged = lambda: None
        self.onOpened = lambda volumeNode, landmarkNode: None
        self._landmarkNode = None  # the one that the open case came with
        self._opened = None  # source, folder of the corrections, and initials of the list that is open
        self._session = None
        self._request = None
        self._ahead = VolumesAhead(self._onRead, self._onProblem)
        self._beat = qt.QTimer()
        self._beat.interval = BEAT_S * 1000
        self._beat.connect("timeout()", self._onBeat)
        exporter.onExported = self._onExported

    @property
    def isReading(self):
        """See above."""
        return self._request is not None

    @property
    def coming(self):
        """See above."""
        return self._ahead.wanted

    def open(self, source, folder, reader):
        """Read the list in ``source``; its place and marks are with the corrections in ``folder``."""
        if not os.path.isabs(folder) or not re.fullmatch(r"[^\W\d_]{1,8}", reader):
            self.say(
                _("First choose a folder and give your initials (1 to 8 letters) under Corrections."),
                failed=True,
            )
            return
        self._stopRequest()
        self._ahead.stop()
        self.source = source
        request = {"command": "list", "source": source, "corrections": folder}
        self._request = ChildRequest(request, lambda answer: self._onList(answer, source, folder, reader))
        self.say("")
        self.onChanged()

    def follow(self, folder, reader):
        """Take another folder or other initials into account: the same list, with that reader's marks."""
        if self.worklist is not None and (folder, reader) != self._opened[1:]:
            self.open(self._opened[0], folder, reader)
            return True
        return False

    def show(self, name):
        """Close the open case, as it is, and open the one with that name."""
        row = self.worklist.row(name)
        if row.case.volume is None:
            self.say(row.problem, failed=True)
            return
        self.say("")
        self.closeCase()
        self.name = name
        self.worklist.problems[name] = ""
        volumeNode, landmarkNode = findCase(self.landmarkScene, row.case)
        if volumeNode is None:
            self._ahead.want(row.case)
        else:
            self._enter(row.case, volumeNode, landmarkNode, [_("It was in the scene already, as it is.")])
        self.onChanged()

    def step(self, count):
        """Open the next case (1), or the one before (-1), that the filter lets through."""
        self.refresh()
        row = self.following(count)
        if row is None:
            self.say(_("No other case of this list is left to open: choose another filter, or another list."))
        else:
            self.show(row.case.name)

    def following(self, count=1):
        """The Row that step() would open, or None; where no case is open, that where the reader has stopped."""
        if not self.name and self.resumeAt and self.worklist.row(self.resumeAt).can_be_opened:
            return self.worklist.row(self.resumeAt)
        return self.worklist.after(self.name or self.resumeAt, count, self.shown)

    def choose(self, shown):
        """Go through other cases from now on, one of worklist.FILTERS."""
        self.shown = shown
        if self.worklist is not None:
            self.resumeAt = None
            self._prepareNext()
        self.onChanged()

    def rows(self):
        """The rows that the filter lets through, and that of the open case."""
        fitting = {row.case.name for row in self.worklist.rows(self.shown)} | {self.name}
        return [row for row in self.worklist.rows() if row.case.name in fitting]

    @property
    def isThere(self):
        """Whether a case is open and its volume in the scene."""
        return self.volumeNode is not None and bool(slicer.mrmlScene.IsNodePresent(self.volumeNode))

    @property
    def landmarkNode(self):
        """The landmarks of the open case, also once its volume was deleted, or None."""
        node = self.landmarkScene.landmarkNode(self.volumeNode) or self._landmarkNode
        return node if node is not None and slicer.mrmlScene.IsNodePresent(node) else None

    def isUnsaved(self):
        """Whether the open case has decisions that were not exported as they are now."""
        landmarkNode = self.landmarkNode
        if landmarkNode is None:
            return False
        self.landmarkScene.repair(landmarkNode)
        return not LandmarkRecord(landmarkNode).isExported

    def closeCase(self):
        """Take the open case out of the scene, as it is."""
        if self.volumeNode is not None:
            removeCase(self.landmarkScene, self.volumeNode, self.landmarkNode)
        self.volumeNode = self._landmarkNode = None

    def forgetCase(self):
        """The scene is closed, and the case with it, also one that is on its way."""
        if self.volumeNode is not None or self.coming is not None:
            self._ahead.stop()
            self.volumeNode = self._landmarkNode = None
            self.name, self.resumeAt = "", self.name
            self._keepPlace(None)
            self.onChanged()

    def close(self):
        """Stop everything; nothing is called any more."""
        self.onChanged = lambda: None
        self._stopRequest()
        self._ahead.stop()
        self._beat.stop()
        self._keepPlace(None)

    def refresh(self):
        """Take in what other readers have done."""
        if self._session is not None:
            marks, claims = self._session.others()
            self.worklist.take_in(marks)
            self.worklist.claims = claims

    def _onList(self, answer, source, folder, reader):
        self._request = None
        if "problem" in answer:
            if not self.isThere:  # the case that was on its way was stopped
                self.name, self.resumeAt = "", self.name or self.resumeAt
            self.say(answer["problem"], failed=True)
            self.onChanged()
            return
        self._opened = (source, folder, reader)
        cases = [WorkCase(**case) for case in answer["cases"]]
        self.worklist = Worklist(cases, [Mark(*mark) for mark in answer["marks"]], reader)
        self._keepPlace(None)
        self._session = Session(folder, reader)
        self._beat.start()
        self.refresh()
        openKey = None if self.volumeNode is None else self.volumeNode.GetAttribute(CASE)
        open_ = next((case for case in cases if openKey and case.key == openKey), None)
        self.name = open_.name if open_ else ""
        self.resumeAt = None
        if open_:
            self._keepPlace(open_.key)
        else:
            self._goBack(cases)
        self._prepareNext()
        self.onChanged()

    def _goBack(self, cases):
        """Stand where the reader has stopped: at the case that was open then, unless it is done, or the next one."""
        place = self._session.last_place(case.key for case in cases)
        last = next((case.name for case in cases if place is not None and case.key == place), None)
        row = None if last is None else self.worklist.row(last)
        if row is not None and row.state == "done":
            row = self.worklist.after(last, 1, self.shown)
        self.resumeAt = row.case.name if row else None

    def _onRead(self, read):
        self._enter(read.case, *addCase(self.landmarkScene, read))

    def _enter(self, case, volumeNode, landmarkNode, sentences):
        self.volumeNode, self._landmarkNode = volumeNode, landmarkNode
        self._keepPlace(case.key)
        self.refresh()
        others = self.worklist.row(self.name).open_at
        if others:  # both have gone on in the same moment
            sentences.append(_("{readers} has this case open as well.").format(readers=", ".join(others)))
        if self._session.is_open_twice(case.key):
            sentences.append(
                _(
                    "This case is open in another session under your initials, or was when that crashed a moment ago: "
                    "of two exports the later one counts."
                )
            )
        self.say(" ".join(sentences))
        self.onOpened(self.volumeNode, landmarkNode)
        self._prepareNext()
        self.onChanged()

    def _onProblem(self, case, sentence, isHere):
        """A volume that cannot be read is left out; where it is this computer that cannot, no other is tried."""
        if case.name == self.name:
            self._keepPlace(None)
        if case.name == self.name or isHere:
            self.say(sentence, failed=True)
        if not isHere:
            self.worklist.problems[case.name] = sentence
            self._prepareNext()
        self.onChanged()

    def _prepareNext(self):
        row = self.following()
        self._ahead.prepare(row.case if row else None)

    def _onExported(self, landmarkNode, folder, initials):
        if self.follow(folder, initials):  # and so reads the list again, with what was just exported
            return
        volumeNode = self.landmarkScene.volumeNode(landmarkNode)
        key = volumeNode.GetAttribute(CASE) if volumeNode is not None else None
        if self._session is None or not key:
            return
        reviews = self.landmarkScene.reviews(landmarkNode).values()
        decided = sum(review.decision != "unreviewed" for review in reviews)
        self.worklist.take_in([Mark(key, self.worklist.reader, decided)])
        self._try(lambda: self._session.exported(key, decided))
        self.onChanged()

    def _keepPlace(self, key):
        if self._session is not None:
            self._try(lambda: self._session.enter(key))

    def _onBeat(self):
        self._try(self._session.beat)
        self.refresh()
        self.onChanged()

    def _try(self, write):
        try:
            write()
        except CarotidLandmarkError as error:
            self.say(str(error), failed=True)

    def _stopRequest(self):
        if self._request is not None:
            self._request.stop()
            self._request = None
