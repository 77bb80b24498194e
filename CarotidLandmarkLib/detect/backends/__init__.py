"""Who runs the networks: torch, or OpenVINO where there is none. The search sees only what `backend` describes."""
