"""What a person decides, as a statement to be sealed with that person's key."""

from contracts.person.statement import Decision, MoneyStatement, read, write

__all__ = ["Decision", "MoneyStatement", "read", "write"]
