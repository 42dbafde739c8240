"""Makes what the integration tests share importable: the client, the list of worker models, the tables."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
