"""One vocabulary of errors for every door: the code, what it means, what to do, who acts, whether to retry."""

from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal

__all__ = ["ErrorCode", "Refusal"]
