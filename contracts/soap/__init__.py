"""SOAP, contract first: WSDL and XSD as data, envelopes, faults, and a typed message per element of the schema."""
