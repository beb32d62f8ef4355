"""A program that reads much before it listens: 15 s on AWS, where everything else is as much slower."""

import time

from serve import serve

print("warming up")
time.sleep(1.5)
serve()
