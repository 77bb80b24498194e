"""Slicer's slice and 3D views without windows: pictures to PNG, and real mouse events."""

import numpy as np
from vtk.util.numpy_support import vtk_to_numpy

from Testing.host.mrmlHost import slicer, vtk

_SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
)
_THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
)


class _View:
    """What slice and 3D views share. Display coordinates are pixels from the lower left corner."""

    def __init__(self, host, viewNode, size, factory, managers, style):
        self.host, self.viewNode, self.size = host, viewNode, size
        self.renderWindow = vtk.vtkRenderWindow()
        self.renderWindow.SetOffScreenRendering(1)
        self.renderWindow.SetMultiSamples(4)
        self.renderWindow.SetSize(*size)
        self.renderer = vtk.vtkRenderer()
        self.renderWindow.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.renderWindow)
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyle3D())
        self.interactor.SetSize(*size)
        factory.SetMRMLApplicationLogic(host.applicationLogic)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.style = style
        self._factory = factory

    def _start(self):
        self.managers = self._factory.InstantiateDisplayableManagers(self.renderer)
        self.managers.SetMRMLDisplayableNode(self.viewNode)
        self.style.SetInteractor(self.interactor)
        self.style.SetDisplayableManagers(self.managers)
        self.interactor.Enable()
        self.render()

    def render(self):
        """Draw what the scene holds now; nothing is drawn by itself."""
        self.renderWindow.Render()

    def pixels(self):
        """Return the picture (height, width, 3), uint8, its first row at the top."""
        self.render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self.renderWindow)
        grabber.SetInputBufferTypeToRGB()
        grabber.ReadFrontBufferOff()
        grabber.Update()
        image = grabber.GetOutput()
        values = vtk_to_numpy(image.GetPointData().GetScalars())
        width, height, _ = image.GetDimensions()
        return values.reshape(height, width, 3)[::-1].copy()

    def toPng(self, path):
        """Write the picture."""
        from PIL import Image

        Image.fromarray(self.pixels()).save(path)

    def mouseMove(self, x, y):
        self._mouse("MouseMoveEvent", x, y)

    def mousePress(self, x, y, button="Left"):
        self._mouse(f"{button}ButtonPressEvent", x, y)

    def mouseRelease(self, x, y, button="Left"):
        self._mouse(f"{button}ButtonReleaseEvent", x, y)

    def click(self, x, y):
        """Move there, press and release."""
        self.mouseMove(x, y)
        self.mousePress(x, y)
        self.mouseRelease(x, y)

    def drag(self, start, end, steps=4):
        """Drag with the left button, from one display position to another."""
        path = np.linspace(start, end, steps + 1)
        self.mouseMove(*path[0])
        self.mousePress(*path[0])
        for x, y in path[1:]:
            self.mouseMove(x, y)
        self.mouseRelease(*path[-1])

    def _mouse(self, event, x, y):
        self.interactor.SetEventInformation(round(x), round(y), 0, 0, "\0", 0, None)
        self.interactor.InvokeEvent(event)

    def close(self):
        """Let go of the scene and of the window."""
        self.managers.SetMRMLDisplayableNode(None)
        self.style.SetInteractor(None)
        self.renderWindow.Finalize()


class SliceView(_View):
    """A slice view "Red", "Yellow" or "Green" (axial, sagittal, coronal) of ``size`` (width, height) pixels."""

    def __init__(self, host, name="Red", size=(400, 400)):
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(host.applicationLogic)
        self.logic.SetMRMLScene(host.scene)
        node = self.logic.AddSliceNode(name)
        node.SetDimensions(*size, 1)
        node.SetOrientation({"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}[name])
        host.applicationLogic.GetSliceLogics().AddItem(self.logic)
        style = slicer.vtkMRMLSliceViewInteractorStyle()
        style.SetSliceLogic(self.logic)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(host, node, size, factory, _SLICE_MANAGERS, style)
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._image = vtk.vtkActor2D()
        self._image.SetMapper(mapper)
        self._image.GetProperty().SetDisplayLocationToBackground()
        self._start()

    def render(self):
        image = self.logic.GetImageDataConnection()
        self.renderer.RemoveViewProp(self._image)
        if image is not None:
            self._image.GetMapper().SetInputConnection(image)
            self.renderer.AddViewProp(self._image)
        super().render()

    def worldToDisplay(self, ras):
        """Return the display position (x, y) of a point, and its distance from the slice plane in mm."""
        toRas = slicer.util.arrayFromVTKMatrix(self.viewNode.GetXYToRAS())
        x, y, z, _ = np.linalg.inv(toRas) @ [*ras, 1.0]
        return np.array([x, y]), z

    def close(self):
        self.host.applicationLogic.GetSliceLogics().RemoveItem(self.logic)
        super().close()


class ThreeDView(_View):
    """The 3D view of ``size`` (width, height) pixels, with its camera node ``cameraNode``."""

    def __init__(self, host, size=(400, 400)):
        node = host.scene.AddNewNodeByClass("vtkMRMLViewNode", "View1")
        node.SetLayoutName("1")
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        style = slicer.vtkMRMLThreeDViewInteractorStyle()
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(host, node, size, factory, _THREE_D_MANAGERS, style)
        self._start()
        self.cameraNode = slicer.util.getNodesByClass("vtkMRMLCameraNode")[0]

    def worldToDisplay(self, ras):
        """Return the display position (x, y) of a point."""
        self.renderer.SetWorldPoint(*ras, 1.0)
        self.renderer.WorldToDisplay()
        return np.array(self.renderer.GetDisplayPoint()[:2])
