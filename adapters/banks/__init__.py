"""Banks, both ways (EHR-9): our signed callbacks to them over REST or SOAP, as each has chosen, and a bank as a sandbox."""
