"""The ECS API over the model: one function for one operation. Pure."""
