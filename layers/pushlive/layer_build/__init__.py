"""Builds the layer: libraries, pushlive's own modules, what they need of botocore's data, compiled files.

Called by `sam build` as `python3 -m layer_build FOLDER`. Any Python 3.10 or later with pip can do it: the
libraries are pure Python, chosen for the Lambda runtime's version. Never shipped.
"""
