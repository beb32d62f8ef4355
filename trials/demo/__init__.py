"""`make demo`: the story, and how it is told."""
