"""A program that drops everything at SIGTERM, as most do."""

import os
import signal

from serve import serve

signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
serve()
