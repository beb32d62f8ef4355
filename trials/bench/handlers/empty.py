"""What a start costs that does nothing."""


def handler(event: object, context: object) -> None:
    """Do nothing."""
