"""What tests of several rooms share lies in tests/shared, as plain modules: a conftest takes from there what its room needs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "shared"))
