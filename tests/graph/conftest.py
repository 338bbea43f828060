"""Puts the modules that test graphs import on the module path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "modules"))
