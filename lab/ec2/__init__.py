"""The network interfaces of tasks, and the addresses of this machine that stand for public ones."""
