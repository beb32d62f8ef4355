"""A model of the ECS service scheduler and its API. Pure: the clock is passed in, nothing is started.

`model.EcsModel` is the state machine, `api.EcsApi` the ECS API over it, `world` what goes in and out.
`scenario`, `fake_runtime` and `fake_world` are for virtual time. `timings` and `engine.Options` say which
numbers and rules are documented, which were measured, and which are assumed.
"""
