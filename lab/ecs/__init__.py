"""A model of the ECS service scheduler and its API. Pure: the clock is passed in, nothing is started.

`model/` has the rules: `ecs_model.EcsModel` is the state machine, `world` what goes in and out, and `timings`
and `engine.Options` say which numbers are documented, measured or assumed. `api/` is the ECS API over
it. `live` runs it in real time, `virtual/` in the tests' time.
"""
