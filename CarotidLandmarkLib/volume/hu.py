"""Are the voxels Hounsfield units? An offset is found by where air and soft tissue lie, and taken off again."""

from __future__ import annotations

import numpy as np

from ..errors import BadInputError

AIR_HU, AIR_PEAK_HU = -1024, -1000
PADDING_HU = -1100  # what is lower stands for nothing in the patient
# What scanners and converters add, the likely ones first.
OFFSETS = (1024, 1000, 2000, 2048, 3024, 4096, 8192, 10240, 32768)
MAX_REPAIRED_FRACTION = 1e-3
MIN_BELOW_ZERO = 1e-3
# More is the inside of a body, where next to nothing, or nothing at all, need be below 0.
MAX_SOFT_TISSUE, MAX_SOFT_TISSUE_ALONE = 0.9, 0.99
MIN_RANGE_HU = 200
MAX_LABELS = 100
SOME = 2_000_000
NEIGHBOURS, SMOOTH = 4, 15
MIN_AIR, MAX_MISFIT_HU = 0.005, 20
# Shares of the voxels that a CT of a patient keeps to: of soft tissue in what is no air; of what is as bright as air is
# dark; of what is twice as dark, but for values that stand for nothing; of what only metal is as bright as.
MIN_TISSUE, INSIDE_HU, MAX_BRIGHT = 0.05, -700, 0.1
DARK_HU, NOTHINGS, MAX_DARK, METAL_HU, MAX_METAL = (-2124, -1900), 3, 0.01, 3000, 0.02


def check_hu(array: np.ndarray, where: str) -> tuple[np.ndarray, list[str]]:
    """The voxels (z, y, x) in HU, repaired if needed, and the warnings; BadInputError if they are no CT.

    Up to one voxel in a thousand may be NaN or infinite and becomes air. Where air and soft tissue lie an offset above
    their HU, the values are shifted, whatever stands outside of the image.
    """
    warnings: list[str] = []
    if array.dtype.kind == "f":
        array = _repair_not_finite(array, where, warnings)
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise BadInputError(f"'{where}' has the same value, {low:g}, in every voxel: give a CT with an image in it.")
    some = array.reshape(-1)[:: max(array.size // SOME, 1)]
    if low >= 0 and len(np.unique(some)) <= MAX_LABELS and (some == np.round(some)).all():
        raise BadInputError(f"'{where}' looks like a segmentation, with few whole numbers >= 0: give the CT itself.")
    if high - low < MIN_RANGE_HU or (low >= 0 and high <= 255):
        raise BadInputError(
            f"'{where}' has values from {low:g} to {high:g}, an 8-bit or rescaled picture and not Hounsfield units: "
            "export the original CT."
        )
    values = _Histogram(some)
    offset = values.offset()
    if offset is not None:
        shifted = np.maximum(array, AIR_HU + offset)  # before the shift, which padding could carry beyond the type
        shifted -= array.dtype.type(offset)
        warnings.append(f"The values are HU + {offset}, as air and soft tissue show: shifted.")
        return shifted, warnings
    most = MAX_SOFT_TISSUE_ALONE if low >= 0 else MAX_SOFT_TISSUE
    if values.share(PADDING_HU, -1) < MIN_BELOW_ZERO and values.share(0, 150) < most:
        raise BadInputError(
            f"'{where}' has values from {low:g} to {high:g}, none or next to none below 0, so they are not Hounsfield "
            "units (an MR, or a windowed picture?): export the original CT."
        )
    doubt = values.doubt()
    if doubt is not None:
        warnings.append(f"Are these Hounsfield units? {doubt} Believe nothing that is found here or is not.")
    return array, warnings


class _Histogram:
    """How often each whole value from PADDING_HU on is there, of grey values in coarse steps spread over the step; a
    value far commoner than its like is padding or clipped and counts no more than they."""

    def __init__(self, values: np.ndarray) -> None:
        top = max(OFFSETS) + 2000
        some = np.round(values[values >= PADDING_HU])
        kept = some.clip(None, np.float64(top)).astype(np.int64)  # numpy 2.0 refuses an int that int16 cannot hold
        levels = np.unique(kept)
        step = max(int(np.median(np.diff(levels))), 1) if len(levels) > 1 else 1
        counts = np.bincount((kept - PADDING_HU) // step, minlength=-(-(top - PADDING_HU + 1) // step))
        around = np.median(
            np.lib.stride_tricks.sliding_window_view(np.pad(counts, NEIGHBOURS), 2 * NEIGHBOURS + 1), axis=1
        )
        self.counts = np.repeat(np.where(counts > 3 * around, around, counts) / step, step)
        self.total = max(self.counts.sum(), 1.0)
        self.metal = float((values > METAL_HU).mean())
        dark = values[(values > DARK_HU[0]) & (values < DARK_HU[1])]
        self.dark = float(np.sort(np.unique(np.round(dark), return_counts=True)[1])[:-NOTHINGS].sum() / len(values))

    def share(self, low: int, high: int) -> float:
        """Of all values, those in [low, high)."""
        return float(self.counts[max(low - PADDING_HU, 0) : max(high - PADDING_HU, 0)].sum() / self.total)

    def doubt(self) -> str | None:
        """What is told of values that were rescaled in a way that cannot be undone, None of a patient's HU."""
        if self.dark > MAX_DARK:
            return f"{self.dark:.0%} of the voxels are about {sum(DARK_HU) // 2} HU, twice as dark as air."
        if self.metal > MAX_METAL:
            return f"{self.metal:.0%} of the voxels have more than {METAL_HU} HU, as only metal has."
        if self.share(900, 1124) > max(MAX_BRIGHT, self.share(PADDING_HU, -900)):
            return "What should be air is bright, as in an inverted picture."
        if self.share(0, 150) < MIN_TISSUE * self.share(INSIDE_HU, METAL_HU):
            return "Hardly any voxel has the 0 to 150 HU of soft tissue."
        return None

    def offset(self) -> int | None:
        """What was added to HU, None where nothing was or where that cannot be told; by air, if it is not clipped."""
        misfits = {offset: self._misfit(offset) for offset in OFFSETS if self._is_offset(offset)}
        best = min(misfits, key=lambda offset: misfits[offset], default=0)
        return best if best and misfits[best] <= MAX_MISFIT_HU else None

    def _is_offset(self, offset: int) -> bool:
        """Whether soft tissue is one peak there, and next to nothing lies where HU have air and fat."""
        air = offset + AIR_PEAK_HU
        tissue = self.share(offset - 124, offset + 176)
        partial, bone = self.share(offset - 674, offset - 274), self.share(offset + 326, offset + 726)
        return (
            tissue > 0.02
            and tissue > 1.5 * max(partial, bone)
            and tissue > 500 * self.share(air - 1124, air - 224)
            and self.share(air - 160, air - 60) <= self.share(air + 60, air + 160) + 0.01
        )

    def _misfit(self, offset: int) -> int:
        """How far in HU the peak of air is from where that offset puts it; 0 where there is none."""
        air = offset + AIR_PEAK_HU
        if self.share(air - 40, air + 60) < MIN_AIR:
            return 0
        first = max(air - 60 - PADDING_HU, 0)
        smooth = np.convolve(self.counts[first : air + 61 - PADDING_HU], np.ones(SMOOTH), "same")
        return abs(int(smooth.argmax()) + first + PADDING_HU - air)


def _repair_not_finite(array: np.ndarray, where: str, warnings: list[str]) -> np.ndarray:
    bad = sum(int(np.count_nonzero(~np.isfinite(part))) for part in array)
    if bad > MAX_REPAIRED_FRACTION * array.size:
        raise BadInputError(f"'{where}' has {bad} voxels that are NaN or infinite: export it again without them.")
    if bad:
        warnings.append(f"{bad} voxels that were NaN or infinite were set to air.")
        return np.where(np.isfinite(array), array, array.dtype.type(AIR_HU))
    return array
