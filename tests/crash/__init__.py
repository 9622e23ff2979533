"""Disturbs the plugin at every system call of a run, and looks at what is left.

What a host holds is read by tests.lab; the plugin's code is not imported here.
"""
