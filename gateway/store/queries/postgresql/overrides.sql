-- Where PostgreSQL, with its many writers at a time, must say more than SQLite with its one.

-- name: hold_noun^
-- Where it waited for another transaction, the line that one wrote is not seen here: it is asked for by itself then.
SELECT nouns.*, line.hash AS line_hash, line.bound FROM nouns
LEFT JOIN journal AS line ON line.noun = nouns.noun AND line.noun_id = nouns.id AND line.version = nouns.version
WHERE nouns.noun = :noun AND nouns.id = :id FOR UPDATE OF nouns;

-- name: journal_writers$
-- Who inserts has this lock before the line has its number, and until the end of the transaction.
SELECT string_agg(virtualtransaction, ' ') FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND relation = 'journal'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: lock_lot_of
SELECT pg_advisory_xact_lock(hashtextextended('lot|' || lot_id, 0))
FROM nouns WHERE noun = :noun AND id = :id AND lot_id <> '';

-- name: lock_lots_of
SELECT pg_advisory_xact_lock(lots.key) FROM (
  SELECT DISTINCT hashtextextended('lot|' || lot_id, 0) AS key
  FROM nouns JOIN unnest(CAST(:nouns AS text[]), CAST(:ids AS text[])) AS wanted (noun, id) USING (noun, id)
  WHERE lot_id <> '' ORDER BY key
) AS lots;

-- name: lock_order
-- Who adds to or ends a row of an order key sees all the others of that key, committed; as does who holds its noun.
SELECT pg_advisory_xact_lock(hashtextextended(:order_key, 0));

-- name: claim
WITH picked AS MATERIALIZED (
  SELECT seq FROM outbox WHERE channel = :channel AND recipient = :recipient AND visible_at <= :now
  ORDER BY visible_at, seq LIMIT :limit
  FOR UPDATE SKIP LOCKED
)
UPDATE outbox
SET lease_owner = :worker, visible_at = :lease_end, attempt = attempt + 1
FROM picked WHERE outbox.seq = picked.seq
RETURNING outbox.*, (
  SELECT bound FROM journal
  WHERE journal.noun = outbox.noun AND journal.noun_id = outbox.noun_id AND journal.version = outbox.state_version
) AS ordered;

-- name: conclude
-- A row if the lease held; in it, whether another waits behind.
UPDATE outbox
SET concluded_at = :now, state = :state, last_error = coalesce(:note, last_error), visible_at = NULL,
    lease_owner = NULL
WHERE seq = :seq AND lease_owner = :lease_owner AND attempt = :attempt
RETURNING EXISTS (
  SELECT 1 FROM outbox AS later
  WHERE later.order_key = :order_key AND later.concluded_at IS NULL AND later.seq > :seq
) AS followed, seq, attempt;

-- name: renew!
-- A row that is just being booked needs no longer lease, and is not waited for.
UPDATE outbox SET visible_at = :lease_end
WHERE seq = (
  SELECT seq FROM outbox WHERE seq = :seq AND lease_owner = :lease_owner AND attempt = :attempt
  FOR UPDATE SKIP LOCKED
);

-- name: refusals_with_code
SELECT * FROM journal
WHERE event = 'RequestRefused' AND (CAST(data AS jsonb) ->> 'code') = :code AND seq < :before
ORDER BY seq DESC LIMIT :limit;

-- name: refusals_of_sender_with_code
SELECT * FROM journal
WHERE event = 'RequestRefused' AND noun_id = :sender AND (CAST(data AS jsonb) ->> 'code') = :code AND seq < :before
ORDER BY seq DESC LIMIT :limit;

-- name: size_bytes$
SELECT pg_database_size(current_database());
