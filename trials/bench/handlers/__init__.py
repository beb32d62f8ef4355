"""The functions that ours are measured against. Each is an app.py of its own in Lambda's emulator."""
