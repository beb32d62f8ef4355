"""Why did it (not) deploy? What is there, what the functions would do about it, and what is wrong, in words.

`__main__` takes arguments. `stack` reads a whole `state`, with `service`, `setup` and `zone`, by `account`.
`report` lists the checks: functions of that state, in the modules `*_findings`. `page` and `as_json` show it.
"""
