"""The siege: the gateway and those around it are killed (SIGKILL) again and again, and outsiders count what is left.

`python -m kill` is `make kill-test`; `tests/acceptance/test_kill.py` is a short one. See docs/reliability.md.
"""
