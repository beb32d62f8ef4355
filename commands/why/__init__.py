"""Why did it (not) deploy? What is there, what the functions would do about it, and what is wrong, in words.

`__main__` takes the arguments; `report` puts together what `stack`, `service` and `decisions` read and what
the modules `*_findings` make of it; `page` and `as_json` show it.
"""
