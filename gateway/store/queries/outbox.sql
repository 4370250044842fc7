-- The outbox and the feeds. `visible_at` alone says what a worker may take: it is NULL while a row is parked, concluded,
-- or behind another of its order key, and the end of the lease while a worker has it. So a claim is one walk along one
-- partial index however many rows wait, are blocked or are done. A lane is what goes to one recipient over one channel:
-- each is walked for itself, so that a lane nobody takes from delays no other.

-- name: insert_outbox!
INSERT INTO outbox (
  id, channel, recipient, order_key, noun, noun_id, name, body_type, body, attachment_document_id, state, due_at,
  sequence, state_version, created_at, attempt, visible_at
) VALUES (
  :id, :channel, :recipient, :order_key, :noun, :noun_id, :name, :body_type, :body, :attachment_document_id, :state,
  :due_at, :sequence, :state_version, :created_at, 0,
  CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE order_key = :order_key AND concluded_at IS NULL) THEN NULL
       ELSE CAST(:due_at AS bigint) END
);

-- name: set_timer!
-- A timer of that name which is still open gives its row away. `attempt` goes on: it fences off whoever had the row.
INSERT INTO outbox (
  id, channel, recipient, noun, noun_id, name, body_type, body, state, due_at, state_version, created_at, attempt,
  visible_at
) VALUES (
  :id, :channel, :recipient, :noun, :noun_id, :name, :body_type, :body, :state, :due_at, :state_version, :created_at, 0,
  :due_at
)
ON CONFLICT (noun, noun_id, name) WHERE concluded_at IS NULL DO UPDATE
SET id = excluded.id, channel = excluded.channel, recipient = excluded.recipient, body_type = excluded.body_type,
    body = excluded.body, state = excluded.state, due_at = excluded.due_at, state_version = excluded.state_version,
    created_at = excluded.created_at, visible_at = excluded.visible_at, lease_owner = NULL, parked_at = NULL,
    last_error = NULL, booked = outbox.attempt;

-- name: lanes
-- The first row of every lane, one seek for each: to the next recipient of the channel, or else to the next channel.
WITH RECURSIVE heads(seq) AS (
  SELECT (
    SELECT seq FROM outbox WHERE visible_at IS NOT NULL AND channel > ''
    ORDER BY channel, recipient, visible_at, seq LIMIT 1
  )
  UNION ALL
  SELECT coalesce(
    (
      SELECT later.seq FROM outbox AS later
      WHERE later.visible_at IS NOT NULL AND later.channel = head.channel AND later.recipient > head.recipient
      ORDER BY later.recipient, later.visible_at, later.seq LIMIT 1
    ),
    (
      SELECT later.seq FROM outbox AS later WHERE later.visible_at IS NOT NULL AND later.channel > head.channel
      ORDER BY later.channel, later.recipient, later.visible_at, later.seq LIMIT 1
    )
  )
  FROM heads JOIN outbox AS head ON head.seq = heads.seq
)
SELECT head.channel, head.recipient, head.visible_at FROM heads JOIN outbox AS head ON head.seq = heads.seq;

-- name: reschedule!
UPDATE outbox
SET due_at = :due_at, visible_at = :due_at, state = :state, last_error = coalesce(:error, last_error),
    lease_owner = NULL, booked = booked + 1
WHERE seq = :seq AND lease_owner = :lease_owner AND attempt = :attempt;

-- name: park!
UPDATE outbox
SET parked_at = :now, visible_at = NULL, state = :state, last_error = coalesce(:error, last_error),
    lease_owner = NULL, booked = booked + 1
WHERE seq = :seq AND lease_owner = :lease_owner AND attempt = :attempt;

-- name: renew!
UPDATE outbox SET visible_at = :lease_end WHERE seq = :seq AND lease_owner = :lease_owner AND attempt = :attempt;

-- name: release!
UPDATE outbox SET visible_at = due_at, lease_owner = NULL WHERE visible_at IS NOT NULL AND lease_owner IS NOT NULL;

-- name: hasten!
UPDATE outbox SET due_at = :now, visible_at = :now
WHERE channel = :channel AND recipient = :recipient AND visible_at > :now AND lease_owner IS NULL AND booked > 0;

-- name: give_back!
UPDATE outbox SET visible_at = due_at, lease_owner = NULL, attempt = attempt - 1
WHERE seq = :seq AND lease_owner = :lease_owner AND attempt = :attempt;

-- name: promote!
UPDATE outbox SET visible_at = due_at
WHERE seq = (SELECT min(seq) FROM outbox WHERE order_key = :order_key AND concluded_at IS NULL)
  AND visible_at IS NULL AND parked_at IS NULL;

-- name: requeue!
-- The time a timer was set to stays what its line of the journal says.
UPDATE outbox
SET parked_at = NULL, due_at = CASE WHEN name IS NULL THEN CAST(:now AS bigint) ELSE due_at END,
    visible_at = CASE WHEN name IS NULL THEN CAST(:now AS bigint) ELSE due_at END, state = :state
WHERE id = :id AND parked_at IS NOT NULL AND concluded_at IS NULL;

-- name: discard!
UPDATE outbox SET concluded_at = :now, state = :state, last_error = :note, parked_at = NULL
WHERE id = :id AND parked_at IS NOT NULL AND concluded_at IS NULL;

-- name: cancel_timer!
UPDATE outbox SET concluded_at = :now, state = 'cancelled', visible_at = NULL, parked_at = NULL, lease_owner = NULL
WHERE noun = :noun AND noun_id = :noun_id AND name = :name AND concluded_at IS NULL;

-- name: find_outbox^
SELECT * FROM outbox WHERE id = :id;

-- name: list_outbox
SELECT * FROM outbox
WHERE concluded_at IS NULL AND seq > :after
  AND (:any_channel = 1 OR channel = :channel)
  AND (:any_recipient = 1 OR recipient = :recipient)
ORDER BY seq LIMIT :limit;

-- name: list_outbox_moving
SELECT * FROM outbox
WHERE concluded_at IS NULL AND seq > :after AND parked_at IS NULL
  AND (:any_channel = 1 OR channel = :channel)
  AND (:any_recipient = 1 OR recipient = :recipient)
ORDER BY seq LIMIT :limit;

-- name: list_outbox_parked
SELECT * FROM outbox
WHERE parked_at IS NOT NULL AND seq > :after
  AND (:any_channel = 1 OR channel = :channel)
  AND (:any_recipient = 1 OR recipient = :recipient)
ORDER BY seq LIMIT :limit;

-- name: outbox_of
SELECT * FROM outbox WHERE noun = :noun AND noun_id = :noun_id AND concluded_at IS NULL ORDER BY seq;

-- name: outbox_between
SELECT * FROM outbox
WHERE noun = :noun AND noun_id >= :first AND noun_id <= :last AND concluded_at IS NULL
ORDER BY noun_id, seq;

-- name: stray_outbox
SELECT * FROM outbox
WHERE concluded_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM nouns WHERE nouns.noun = outbox.noun AND nouns.id = outbox.noun_id)
ORDER BY seq LIMIT :limit;

-- name: count_outbox
-- What is behind another of its order key is not late by itself.
SELECT channel, recipient, state, count(*) AS count,
       min(CASE WHEN visible_at IS NOT NULL THEN due_at END) AS oldest_due_at,
       min(created_at) AS oldest_created_at, min(parked_at) AS oldest_parked_at
FROM outbox WHERE concluded_at IS NULL
GROUP BY channel, recipient, state ORDER BY channel, recipient, state;

-- name: next_sequences
-- The last of `count` numbers that are now taken.
INSERT INTO feed_heads (recipient, last) VALUES (:recipient, CAST(:count AS bigint))
ON CONFLICT (recipient) DO UPDATE SET last = feed_heads.last + excluded.last
RETURNING recipient, last;

-- name: feed_head$
SELECT last FROM feed_heads WHERE recipient = :recipient;

-- name: insert_feed!
INSERT INTO feed (recipient, sequence, outbox_id, kind, body, created_at)
VALUES (:recipient, :sequence, :outbox_id, :kind, :body, :created_at);

-- name: unacknowledged
SELECT feed.* FROM outbox JOIN feed ON feed.recipient = outbox.recipient AND feed.sequence = outbox.sequence
WHERE outbox.recipient = :recipient AND outbox.sequence > :after AND outbox.concluded_at IS NULL
ORDER BY outbox.sequence LIMIT :limit;

-- name: read_feed
SELECT * FROM feed WHERE recipient = :recipient AND sequence > :after ORDER BY sequence LIMIT :limit;
