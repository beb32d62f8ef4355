"""The program beside this one, after START_SECONDS: one that reads much before it listens."""

import os
import runpy
import time
from pathlib import Path

time.sleep(float(os.environ["START_SECONDS"]))
runpy.run_path(str(Path(__file__).with_name("app.py")), run_name="__main__")
