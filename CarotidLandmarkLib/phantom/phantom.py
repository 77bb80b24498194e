"""One synthetic neck: drawn from a seed, evaluated on any grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ..landmarks.points import SIDES
from ..volume.geometry import Grid
from . import chest, contrast, head, larynx, spine, tissues, veins, vessels
from .airway import draw_airway
from .canvas import Canvas
from .clearance import BoneMap
from .scaffold import Scaffold
from .shapes import Ellipsoid, Shape, Space, Tube
from .streams import Streams
from .style import Style, draw_plain

TRIES = 40


@dataclass
class Phantom:
    """A neck in world LPS mm.

    carina: side -> (3,). truth: the same where it can be seen, None in a scan without contrast. organs: name -> its
    shapes; ``render`` paints them in this order. metal: (n, 3) body mm of what streaks. facts: the numbers drawn,
    side -> name -> value (degrees, mm, HU, share of the diameter lost). centrelines: side -> vessel -> (n, 4), points
    and radius of the open lumen. decoys: name -> (n, 3), places that are easily taken for a fork. make: see
    style.MAKES. phase: see priors.PHASES.
    """

    seed: int
    split: str
    space: Space
    organs: dict[str, list[Shape]]
    carina: dict[str, np.ndarray]
    metal: np.ndarray
    facts: dict[str, dict[str, float]]
    centrelines: dict[str, dict[str, np.ndarray]]
    decoys: dict[str, np.ndarray]
    scaffold: str | None = None
    make: str = "full"
    phase: str = "arterial"

    @staticmethod
    def draw(seed: int, split: str = "train", scaffold: Scaffold | None = None) -> Phantom:
        """The phantom of this seed: the same numbers give the same neck on every machine."""
        streams = Streams(seed, split)
        style = Style.draw(streams("style"), scaffold is not None)
        body = tissues.Body.draw(streams("body"))
        space = _draw_space(streams, scaffold)
        gland_y = scaffold.gland_y if scaffold else float(streams("gland level").normal(-50.9, 5))
        filling = contrast.Filling.draw(streams("contrast"))
        bones = _draw_bones(streams, body, space, scaffold, style)
        bone_map = BoneMap([shape for shapes in bones.values() for shape in shapes], space)
        forks, carotids = _draw_carotids(streams, body, gland_y, filling, space, style, bone_map)
        organs: dict[str, list[Shape]] = {"couch": chest.draw_couch(streams("couch"))}
        metal: list[np.ndarray] = []
        decoys: dict[str, list[np.ndarray]] = {}
        if style.make == "plain":
            organs.update(bones)
        else:
            airway = max(4.0, min(abs(fork[0]) for fork in forks.values()) - 9)
            metal, decoys = _draw_neck(organs, streams, body, space, scaffold, gland_y, bones, carotids, airway)
        arteries = [tube for c in carotids.values() for tube in (c.trunk, c.internal, c.external)]
        others = _other_vessels(streams, forks, style.native(streams("implant"), filling))
        for name, tubes in others.items():
            if style.shows(streams(f"{name} shown")):
                bent = (replace(tube, points=space.bend(tube.points), within=True) for tube in tubes)
                organs[name] = [veins.keep_clear(tube, arteries) for tube in bent]
        if style.make == "full":
            ends = {side: c.trunk.points[0] for side, c in carotids.items()}
            arch, dense = veins.draw_arch(streams("arch"), ends, filling)
            organs["arch"], metal = list(arch), metal + dense
        for part in ("walls", "lumens", "branches", "calcium", "hardware"):
            organs.update({f"{side} {part}": list(getattr(c, part)) for side, c in carotids.items()})
        decoys["plaque"] = [_middle(shape) for c in carotids.values() for shape in c.calcium]
        return Phantom(
            seed,
            split,
            space,
            organs,
            {side: space.to_world(c.landmark) for side, c in carotids.items()},
            np.reshape(metal, (-1, 3)),
            {side: c.facts for side, c in carotids.items()},
            {side: _centrelines(c, space) for side, c in carotids.items()},
            {name: space.to_world(np.reshape(points, (-1, 3))) for name, points in decoys.items()},
            scaffold.name if scaffold else None,
            style.make,
            filling.phase,
        )

    @property
    def truth(self) -> dict[str, np.ndarray | None]:
        """Side -> carina (3,), None in a scan without contrast, where no lumen can be seen."""
        return {side: None if self.phase == contrast.NONE else point for side, point in self.carina.items()}

    @property
    def shapes(self) -> list[Shape]:
        """All shapes, in painting order."""
        return [shape for shapes in self.organs.values() for shape in shapes]

    def render(self, grid: Grid, psf_mm: float = 0.7, device: str = "cpu", filled: object = 1.0) -> Tensor:
        """Noiseless HU (D, H, W) float32 on ``grid``; a voxel is the mean over its extent, blurred by the PSF.

        ``filled``: see Canvas.
        """
        canvas = Canvas(grid, self.space, psf_mm, device, filled)
        for shape in self.shapes:
            canvas.paint(shape)
        return canvas.hu


def _draw_bones(
    streams: Streams, body: tissues.Body, space: Space, scaffold: Scaffold | None, style: Style
) -> dict[str, list[Shape]]:
    """What the carotids have to keep clear of, in painting order; of plain geometry all that is not a vessel."""
    if style.make == "plain":
        return {"plain": draw_plain(streams("plain"), body, space)}
    jaw = _organs(streams("scaffold"), body, scaffold) if scaffold else head.draw_jaw(streams("jaw"), body, space)
    return {
        "spine": spine.draw_spine(streams("spine"), body, space),
        "skull": head.draw_skull(streams("skull"), body, space),
        "scaffold" if scaffold else "jaw": jaw,
    }


def _draw_neck(
    organs: dict[str, list[Shape]],
    streams: Streams,
    body: tissues.Body,
    space: Space,
    scaffold: Scaffold | None,
    gland_y: float,
    bones: dict[str, list[Shape]],
    carotids: dict[str, vessels.Carotid],
    airway: float,
) -> tuple[list[np.ndarray], dict[str, list[np.ndarray]]]:
    """Add all but the vessels to ``organs``, in painting order; where dental metal lies, and what resembles a fork."""
    organs["collar"] = chest.draw_collar(streams("collar"), body)
    organs["skin"] = tissues.draw_skin(streams("skin"), body)
    organs["chin"] = head.draw_chin(streams("chin"), body, space, scaffold.fields["Mandible"] if scaffold else None)
    organs["muscles"] = tissues.draw_muscles(streams("muscles"), body, space)
    organs["glands"] = tissues.draw_glands(streams("glands"), body, space, gland_y)
    organs["nodes"] = tissues.draw_nodes(streams("nodes"), body, space)
    organs.update({f"{side} sheath": carotid.sheath for side, carotid in carotids.items()})
    organs["lungs"] = chest.draw_lungs(streams("lungs"), body, space, scaffold is not None)
    organs["airway"] = draw_airway(streams("airway"), body, space, airway)
    organs.update(bones)
    organs["teeth"], metal = head.draw_teeth(streams("teeth"), body, space)
    organs["larynx"], decoys = larynx.draw_larynx(streams("larynx"), body, space, airway)
    organs["ligaments"] = larynx.draw_ligaments(streams("ligaments"), body, space)
    organs["shoulders"] = chest.draw_shoulders(streams("shoulders"), body, space)
    heights = np.linspace(-60, 40, 6)
    decoys["canal"] = list(space.bend(np.stack([0 * heights, 0 * heights, heights], 1)))
    decoys["jaw angle"] = head.jaw_angles(body, space, scaffold.fields["Mandible"] if scaffold else None)
    return metal, decoys


def _draw_carotids(
    streams: Streams,
    body: tissues.Body,
    gland_y: float,
    filling: contrast.Filling,
    space: Space,
    style: Style,
    bones: BoneMap,
) -> tuple[dict[str, np.ndarray], dict[str, vessels.Carotid]]:
    """Both forks, relative to the canal, and the carotids around them; redrawn until none runs through bone."""
    rng = streams("forks")
    bottom = float(rng.uniform(-112, -100))
    courses = {side: streams(f"{side} carotid") for side in SIDES}
    builds = vessels.draw_builds(streams("calibres"))
    for _ in range(TRIES):
        forks = vessels.draw_forks(rng, body.size, gland_y)
        carotids = {
            side: vessels.draw_carotid(
                courses[side], streams, side, builds[side], forks[side], filling, space, bottom, style.simple
            )
            for side in SIDES
        }
        if not any(bones.meets(carotid) for carotid in carotids.values()):
            break
    return forks, {side: style.apply(carotid) for side, carotid in carotids.items()}


def _other_vessels(streams: Streams, forks: dict[str, np.ndarray], filling: contrast.Filling) -> dict[str, list[Tube]]:
    """Vessels that are not carotids, relative to the canal, in groups that are shown or left out together."""
    radii = veins.draw_jugular_radii(streams("jugulars"))
    groups = {"small vessels": veins.draw_distractors(streams("small vessels"), filling)}
    for s, side in ((1.0, "left"), (-1.0, "right")):
        groups[f"{side} veins"] = veins.draw_veins(streams(f"{side} veins"), s, forks[side], filling, radii[s])
        groups[f"{side} vertebral"] = veins.draw_vertebral(streams(f"{side} vertebral"), s, filling)
        groups[f"{side} thyroid"] = veins.draw_thyroid_arteries(streams(f"{side} thyroid"), s, filling)
    return groups


def _middle(shape: Shape) -> np.ndarray:
    return shape.center if isinstance(shape, Ellipsoid) else shape.points[len(shape.points) // 2]  # type: ignore[union-attr]


def _centrelines(carotid: vessels.Carotid, space: Space) -> dict[str, np.ndarray]:
    tubes = {"common": carotid.trunk, "internal": carotid.internal, "external": carotid.external}
    return {name: np.column_stack([space.to_world(tube.points), tube.radii]) for name, tube in tubes.items()}


def _draw_space(streams: Streams, scaffold: Scaffold | None) -> Space:
    rng = streams("pose")
    turn = rng.normal(0, [6, 5, 4]) * (2.5 if rng.random() < 0.12 else 1.0)
    yaw, pitch, roll = np.radians(turn)
    c, s = np.cos, np.sin
    rotation = (
        np.array([[c(yaw), -s(yaw), 0], [s(yaw), c(yaw), 0], [0, 0, 1]])
        @ np.array([[1, 0, 0], [0, c(pitch), -s(pitch)], [0, s(pitch), c(pitch)]])
        @ np.array([[c(roll), 0, s(roll)], [0, 1, 0], [-s(roll), 0, c(roll)]])
    )
    if scaffold:
        curve, reach = scaffold.curve, scaffold.curve_range
        reach = (reach[0] * 100, reach[1] * 100)
    else:
        curve = streams("canal").normal(0, 1, (2, 4)) * np.array([[0, 3, 2, 1.5], [0, 12, 7, 4]])
        curve[1, 1] -= 8
        reach = (-150.0, 110.0)
    origin = rng.uniform(-250, 250, 3)
    rng, n = streams("waves"), 5
    way = rng.normal(size=(n, 3))
    way *= (2 * np.pi / rng.uniform(45, 160, (n, 1))) / np.linalg.norm(way, axis=1, keepdims=True)
    waves = np.hstack([way, rng.normal(0, 1.1, (n, 3)), rng.uniform(0, 2 * np.pi, (n, 1))])
    return Space(rotation, origin, curve, reach, waves)


def _organs(rng: np.random.Generator, body: tissues.Body, scaffold: Scaffold) -> list[Shape]:
    """The scaffold's organs with HU of this case, the jaw with marrow inside, the brain with its vault around it."""
    gland, parotid, lung = rng.uniform(60, 140), rng.uniform(-40, 90), rng.uniform(-900, -780)
    hu = {
        "Mandible": body.cortical,
        "Brain": 38.0,
        "Orbit-Lt": 10.0,
        "Orbit-Rt": 10.0,
        "Parotid-Lt": parotid,
        "Parotid-Rt": parotid,
        "Submandibular-Lt": gland,
        "Submandibular-Rt": gland,
        "Lung-Lt": lung,
        "Lung-Rt": lung,
    }
    layers = {"Mandible": (0.0, ((2.6, body.cancellous),)), "Brain": (-6.0, ((6.0, hu["Brain"]),))}
    hu["Brain"] = body.cortical
    out: list[Shape] = []
    for organ, shape in scaffold.fields.items():
        inset, inner = layers.get(organ, (0.0, ()))
        out.append(replace(shape, hu=hu[organ], inset=inset, inner=inner))
    return out
