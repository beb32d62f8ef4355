"""Rules, schedules and the delivery of events to functions."""
