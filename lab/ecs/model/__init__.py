"""The rules of the ECS service scheduler, each with its AWS page. Pure: events.py has its events."""
