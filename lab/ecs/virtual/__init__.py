"""Containers, a registry and a network for virtual time: nothing is started."""
