"""Where a task's containers run: as processes or in a Docker Engine, with their log driver."""
