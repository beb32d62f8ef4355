"""`make load`: who notices a deployment, measured: open-loop clients, three ways of deploying, seven phases.

`run` tells it and writes the files; `clients` is a process of its own that asks and notes each answer.
"""
