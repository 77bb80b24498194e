"""One synthetic neck: drawn from a seed, evaluated on any grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ..landmarks.points import SIDES
from ..volume.geometry import Grid
from . import chest, disease, head, spine, tissues, veins, vessels
from .airway import draw_airway, draw_larynx
from .canvas import Canvas
from .clearance import BoneMap
from .scaffold import Scaffold
from .shapes import Shape, Space, Tube
from .style import Style, draw_plain

SPLITS = ("train", "val", "test")
STYLE = 3
TRIES = 40


def split_rng(seed: int, split: str, purpose: int = 0) -> np.random.Generator:
    """Random numbers of one phantom; no two splits, seeds or purposes share a stream."""
    return np.random.default_rng([SPLITS.index(split), seed, purpose])


@dataclass
class Phantom:
    """A neck in world LPS mm.

    truth: side -> carina (3,). shapes: what ``render`` paints, in order. metal: (n, 3) body mm of dental metal.
    facts: the numbers drawn, side -> name -> value (degrees, mm, share of the diameter lost). make: see style.MAKES.
    """

    seed: int
    split: str
    space: Space
    shapes: list[Shape]
    truth: dict[str, np.ndarray]
    metal: np.ndarray
    facts: dict[str, dict[str, float]]
    scaffold: str | None = None
    make: str = "full"

    @staticmethod
    def draw(seed: int, split: str = "train", scaffold: Scaffold | None = None) -> Phantom:
        """The phantom of this seed: the same numbers give the same neck on every machine."""
        rng = split_rng(seed, split)
        style = Style.draw(split_rng(seed, split, STYLE), scaffold is not None)
        body = tissues.Body.draw(rng)
        space = _draw_space(rng, scaffold)
        gland_y = scaffold.gland_y if scaffold else float(rng.normal(-50.9, 5))
        filling = disease.Filling.draw(rng)
        bottom = float(rng.uniform(-112, -100))
        metal: list[np.ndarray] = []
        if style.make == "plain":
            bones = draw_plain(rng, body, space)
        else:
            bones = spine.draw_spine(rng, body, space) + head.draw_skull(rng, body, space)
            bones += _organs(rng, body, scaffold) if scaffold else head.draw_jaw(rng, body, space)
        forks, carotids = _draw_carotids(rng, body, gland_y, filling, space, bottom, style, BoneMap(bones, space))
        if style.make == "plain":
            shapes = [*chest.draw_couch(rng), *bones]
        else:
            airway = max(4.0, min(abs(fork[0]) for fork in forks.values()) - 9)
            shapes, metal = _draw_neck(rng, body, space, scaffold, gland_y, bones, carotids, airway)
        others = style.thin_out(rng, _other_vessels(rng, forks, style.native(rng, filling)))
        arteries = [tube for c in carotids.values() for tube in (c.trunk, c.internal, c.external)]
        bent = [replace(tube, points=space.bend(tube.points), within=True) for tube in others]
        shapes += [veins.keep_clear(tube, arteries) for tube in bent]
        if style.make == "full":
            shapes += veins.draw_arch(rng, {side: c.trunk.points[0] for side, c in carotids.items()}, filling)
        shapes += [shape for c in carotids.values() for shape in c.walls]
        shapes += [shape for c in carotids.values() for shape in [*c.lumens, *c.disease]]
        truth = {side: space.to_world(carotid.landmark) for side, carotid in carotids.items()}
        facts = {side: {**carotid.facts, "lumen_hu": filling.artery} for side, carotid in carotids.items()}
        name = scaffold.name if scaffold else None
        return Phantom(seed, split, space, shapes, truth, np.reshape(metal, (-1, 3)), facts, name, style.make)

    def render(self, grid: Grid, psf_mm: float = 0.7, device: str = "cpu") -> Tensor:
        """Noiseless HU (D, H, W) float32 on ``grid``; a voxel is the mean over its extent, blurred by the PSF."""
        canvas = Canvas(grid, self.space, psf_mm, device)
        for shape in self.shapes:
            canvas.paint(shape)
        return canvas.hu


def _draw_neck(
    rng: np.random.Generator,
    body: tissues.Body,
    space: Space,
    scaffold: Scaffold | None,
    gland_y: float,
    bones: list[Shape],
    carotids: dict[str, vessels.Carotid],
    airway: float,
) -> tuple[list[Shape], list[np.ndarray]]:
    """All but the vessels, in painting order, and where dental metal lies."""
    shapes = [*chest.draw_couch(rng), *tissues.draw_skin(rng, body)]
    shapes += head.draw_chin(rng, body, space, scaffold.fields["Mandible"] if scaffold else None)
    shapes += tissues.draw_soft_tissue(rng, body, space, gland_y)
    shapes += [shape for carotid in carotids.values() for shape in carotid.sheath]
    shapes += chest.draw_lungs(rng, body, space, scaffold is not None)
    shapes += draw_airway(rng, body, space, airway) + bones
    teeth, metal = head.draw_teeth(rng, body, space)
    return shapes + teeth + draw_larynx(rng, body, space) + chest.draw_shoulders(rng, body, space), metal


def _draw_carotids(
    rng: np.random.Generator,
    body: tissues.Body,
    gland_y: float,
    filling: disease.Filling,
    space: Space,
    bottom: float,
    style: Style,
    bones: BoneMap,
) -> tuple[dict[str, np.ndarray], dict[str, vessels.Carotid]]:
    """Both forks, relative to the canal, and the carotids around them; redrawn until none runs through bone."""
    for _ in range(TRIES):
        forks = vessels.draw_forks(rng, body.size, gland_y)
        carotids = {
            side: style.apply(vessels.draw_carotid(rng, side, forks[side], filling, space, bottom, style.simple))
            for side in SIDES
        }
        if not any(bones.meets(carotid) for carotid in carotids.values()):
            break
    return forks, carotids


def _other_vessels(
    rng: np.random.Generator, forks: dict[str, np.ndarray], filling: disease.Filling
) -> list[list[Tube]]:
    """Vessels that are not carotids, relative to the canal, in groups that are shown or left out together."""
    radii = veins.draw_jugular_radii(rng)
    groups = [veins.draw_distractors(rng, filling)]
    for s, side in ((1.0, "left"), (-1.0, "right")):
        groups.append(veins.draw_veins(rng, s, forks[side], filling, radii[s]))
        groups.append(veins.draw_vertebral(rng, s, filling))
        groups.append(veins.draw_thyroid_arteries(rng, s, filling))
    return groups


def _draw_space(rng: np.random.Generator, scaffold: Scaffold | None) -> Space:
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
        curve = rng.normal(0, 1, (2, 4)) * np.array([[0, 3, 2, 1.5], [0, 12, 7, 4]])
        curve[1, 1] -= 8
        reach = (-150.0, 110.0)
    n = 5
    way = rng.normal(size=(n, 3))
    way *= (2 * np.pi / rng.uniform(45, 160, (n, 1))) / np.linalg.norm(way, axis=1, keepdims=True)
    waves = np.hstack([way, rng.normal(0, 1.1, (n, 3)), rng.uniform(0, 2 * np.pi, (n, 1))])
    return Space(rotation, rng.uniform(-250, 250, 3), curve, reach, waves)


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
