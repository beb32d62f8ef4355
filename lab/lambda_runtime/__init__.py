"""Built functions in Lambda's own runtime interface emulator."""
