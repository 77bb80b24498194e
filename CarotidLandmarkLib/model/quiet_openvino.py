"""OpenVINO without its telemetry: where the package openvino_telemetry is installed, importing openvino alone calls
home (a web analytics service). While this imports it that package is not to be found, and openvino goes on without."""

from __future__ import annotations

import sys
from typing import Any

_TELEMETRY = "openvino_telemetry"
_modules: dict[str, Any] = sys.modules
_missing = object()
_before = _modules.get(_TELEMETRY, _missing)
_modules[_TELEMETRY] = None
try:
    import openvino
    from openvino import opset13
finally:
    if _before is _missing:
        del _modules[_TELEMETRY]
    else:
        _modules[_TELEMETRY] = _before

__all__ = ["openvino", "opset13"]
