"""Deterministic simulation: the real gateway in a world of which every accident is drawn from one seed.

`loop` is time and the order of things, `disk` and `vfs` what SQLite writes on, `network` the lines, `plan` what goes
wrong. `gateway` is the product, assembled as `gateway.bootstrap` does, on those; `aos`, `banks`, `asan_pay`,
`ministries` and `platform` are the sandboxes' own books at the other ends of the lines. `invariants` says what must
hold, `world` puts all together, `__main__` replays one seed or searches many.
"""
