"""A program with the default of many development servers: only its own machine may ask it."""

from serve import serve

serve("127.0.0.1")
