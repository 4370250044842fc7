-- SQLite has one writer at a time: what is to be changed can be read first, by its key. `UPDATE … RETURNING` does both in
-- one statement, through a table of its own, and takes twice as long.

-- name: size_bytes$
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size();

-- name: claim
-- What is to be leased, as it will be; `lease` does it. Of two columns with one name the first counts.
SELECT :worker AS lease_owner, :lease_end AS visible_at, attempt + 1 AS attempt, *, (
  SELECT bound FROM journal
  WHERE journal.noun = outbox.noun AND journal.noun_id = outbox.noun_id AND journal.version = outbox.state_version
) AS ordered
FROM outbox WHERE channel = :channel AND recipient = :recipient AND outbox.visible_at <= :now
ORDER BY outbox.visible_at, seq LIMIT :limit;

-- name: lease!
UPDATE outbox SET lease_owner = :lease_owner, visible_at = :visible_at, attempt = :attempt WHERE seq = :seq;

-- name: conclude
-- The row if the lease holds; in it, whether another waits behind. `end` ends it.
SELECT EXISTS (
  SELECT 1 FROM outbox AS later
  WHERE later.order_key = :order_key AND later.concluded_at IS NULL AND later.seq > :seq
) AS followed, seq, attempt
FROM outbox WHERE seq = :seq AND lease_owner = :lease_owner AND attempt = :attempt;

-- name: end!
UPDATE outbox
SET concluded_at = :now, state = :state, last_error = coalesce(:note, last_error), visible_at = NULL,
    lease_owner = NULL
WHERE seq = :seq AND lease_owner = :lease_owner AND attempt = :attempt;


-- name: refusals_with_code
SELECT * FROM journal
WHERE event = 'RequestRefused' AND json_extract(data, '$.code') = :code AND seq < :before
ORDER BY seq DESC LIMIT :limit;

-- name: refusals_of_sender_with_code
SELECT * FROM journal
WHERE event = 'RequestRefused' AND noun_id = :sender AND json_extract(data, '$.code') = :code AND seq < :before
ORDER BY seq DESC LIMIT :limit;
