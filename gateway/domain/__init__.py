"""Pure rules of the trade: a state table per noun, money, calendar, regimes. No I/O."""
