"""Putting the house together: configuration in, a running gateway out. The only importer of adapters.

What the house carries is EHR-1: auctions, orders, fees and final amounts, results to authorities and persons.
One process holds all of it: doors, engine, dispatcher, receipts consumer and, where the configuration says `embedded`,
the Kafka-protocol broker for demonstration. Several such processes over one PostgreSQL and one Kafka are replicas.

`surroundings` is what every part is given; `ways_out` makes the adapters, `ways_in` the doors; `assembly` starts all.
"""

from gateway.bootstrap.assembly import System, start
from gateway.bootstrap.brokers import access_of
from gateway.bootstrap.surroundings import utc_now
from gateway.bootstrap.ways_out import kafka_settings, policies, topics_of

__all__ = ["System", "access_of", "kafka_settings", "policies", "start", "topics_of", "utc_now"]
