"""A ministry's receipt for a protocol: a small XML document, signed enveloped with the ministry's own key."""
