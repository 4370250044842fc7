"""A bank as a program of its own: callbacks over SOAP or REST, a core with accounts, its side of AÖS, and decisions."""

from adapters.banks.sandbox.program import BankSandbox
from adapters.banks.sandbox.settings import BankSandboxSettings, Behaviour, CallbackFault, CustomerAccount

__all__ = ["BankSandbox", "BankSandboxSettings", "Behaviour", "CallbackFault", "CustomerAccount"]
