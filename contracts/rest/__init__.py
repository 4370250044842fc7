"""The REST contract: request and answer models, problem documents, and the OpenAPI file that describes them."""
