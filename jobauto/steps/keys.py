"""One word for a thing of JSON, however its keys are ordered."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def hashed(*parts: Any) -> str:
    """The word for these parts; 1 and 1.0 are two things, as a service may take them for two."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
