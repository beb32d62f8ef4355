"""A model of the ECS service scheduler and its API. Pure: the clock is passed in, nothing is started.

`model.EcsModel` is the state machine, `api.EcsApi` the ECS API over it, `world` what goes in and out,
`fake_runtime` containers for virtual time.
"""
