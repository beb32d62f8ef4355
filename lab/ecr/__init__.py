"""Images, and the registry's clients. `docker push` itself is answered by front_door.py and MiniStack."""
