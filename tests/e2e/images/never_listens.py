"""A program that runs, but has nothing to say on its port."""

import signal
import sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("running, but not listening")
signal.pause()
