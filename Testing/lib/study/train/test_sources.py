from __future__ import annotations

import numpy as np

from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.study.train import sources
from CarotidLandmarkLib.study.train.cases import views_of
from CarotidLandmarkLib.study.train.sources import PhantomRecipe


def test_without_contrast_the_fork_itself_is_a_decoy(monkeypatch, tiny):
    """Whatever is most like a fork that can be seen must be learned to be none."""
    monkeypatch.setattr(sources, "cut_case", lambda *args, decoys, **more: (args[3], decoys))
    recipe, checked = PhantomRecipe("train"), 0
    for seed in range(40):
        phantom = Phantom.draw(seed)
        forks = np.stack(list(phantom.carina.values()))
        seen = [fork for fork in forks if Scan.draw(phantom).covers(fork)]
        truth, decoys = recipe.make(seed, views_of(tiny))
        with_forks = [kind for kind in decoys if len(kind) and any(np.allclose(kind[0], fork) for fork in seen)]
        if phantom.phase == "none" and seen:
            assert set(truth.values()) == {None} and len(with_forks) == len(decoys) // 2 > 0
            checked += 1
        elif phantom.phase != "none":
            assert not with_forks
    assert checked >= 2
