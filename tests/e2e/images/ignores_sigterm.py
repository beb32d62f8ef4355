"""A program that does not know of SIGTERM. As the first process of a container it is not ended by it."""

from serve import serve

serve()
