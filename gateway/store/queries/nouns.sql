-- Nouns, their other names, and the inbox. An insert that meets its key does nothing: the caller looks at the count.

-- name: noun^
SELECT * FROM nouns WHERE noun = :noun AND id = :id;

-- name: hold_noun^
SELECT nouns.*, line.hash AS line_hash, line.bound FROM nouns
LEFT JOIN journal AS line ON line.noun = nouns.noun AND line.noun_id = nouns.id AND line.version = nouns.version
WHERE nouns.noun = :noun AND nouns.id = :id;

-- name: insert_noun!
INSERT INTO nouns (noun, id, state, version, lot_id, owner, data, head_hash, updated_at, expected_at)
VALUES (:noun, :id, :state, :version, :lot_id, :owner, :data, :head_hash, :updated_at, :expected_at)
ON CONFLICT DO NOTHING;

-- name: update_noun!
UPDATE nouns
SET state = :state, version = :version, lot_id = :lot_id, owner = :owner, data = :data, head_hash = :head_hash,
    updated_at = :updated_at, expected_at = :expected_at
WHERE noun = :noun AND id = :id AND version = :expected_version;

-- name: move_noun!
-- Lot, owner and the instant expected stay: naming them would have SQLite write all their indexes anew.
UPDATE nouns
SET state = :state, version = :version, data = :data, head_hash = :head_hash, updated_at = :updated_at
WHERE noun = :noun AND id = :id AND version = :expected_version;

-- name: touch_noun!
-- The state stays too: no index is written, and on PostgreSQL the row stays on its page (HOT).
UPDATE nouns
SET version = :version, data = :data, head_hash = :head_hash, updated_at = :updated_at
WHERE noun = :noun AND id = :id AND version = :expected_version;

-- name: nouns_of_lot
SELECT * FROM nouns WHERE lot_id = :lot_id ORDER BY noun, id LIMIT :limit;

-- name: list_nouns
SELECT * FROM nouns WHERE noun = :noun AND id > :after ORDER BY id LIMIT :limit;

-- name: list_nouns_by_state
SELECT * FROM nouns WHERE noun = :noun AND state = :state AND id > :after ORDER BY id LIMIT :limit;

-- name: list_nouns_by_owner
SELECT * FROM nouns WHERE owner = :owner AND noun = :noun AND id > :after ORDER BY id LIMIT :limit;

-- name: list_nouns_by_owner_and_state
SELECT * FROM nouns
WHERE owner = :owner AND noun = :noun AND state = :state AND id > :after
ORDER BY id LIMIT :limit;

-- name: nouns_expected
SELECT * FROM nouns
WHERE noun = :noun AND expected_at IS NOT NULL AND expected_at <= :until AND (expected_at, id) > (:after_at, :after)
ORDER BY expected_at, id LIMIT :limit;

-- name: last_noun^
SELECT * FROM nouns WHERE noun = :noun AND id BETWEEN :first AND :last ORDER BY id DESC LIMIT 1;

-- name: count_nouns
SELECT noun, state, count(*) AS count FROM nouns GROUP BY noun, state ORDER BY noun, state;

-- name: count_state
SELECT noun, state, count(*) AS count FROM nouns WHERE noun = :noun AND state = :state GROUP BY noun, state;

-- name: unscheduled
SELECT * FROM nouns
WHERE noun = :noun AND state = :state
  AND NOT EXISTS (
    SELECT 1 FROM outbox
    WHERE outbox.noun = nouns.noun AND outbox.noun_id = nouns.id AND outbox.concluded_at IS NULL
  )
ORDER BY id LIMIT :limit;

-- name: find_alias^
SELECT * FROM aliases WHERE scheme = :scheme AND value = :value;

-- name: aliases_between
SELECT * FROM aliases WHERE scheme = :scheme AND value BETWEEN :first AND :last ORDER BY value DESC LIMIT :limit;

-- name: insert_alias
INSERT INTO aliases (scheme, value, noun, id) VALUES (:scheme, :value, :noun, :id) ON CONFLICT DO NOTHING
RETURNING scheme, value, noun, id;

-- name: find_inbox^
SELECT * FROM inbox WHERE source = :source AND message_id = :message_id;

-- name: stray_inbox
-- Messages that were accepted and of which no line of their noun tells.
SELECT * FROM inbox
WHERE NOT EXISTS (
  SELECT 1 FROM journal
  WHERE journal.noun = inbox.noun AND journal.noun_id = inbox.noun_id
    AND journal.cause_source = inbox.source AND journal.cause_id = inbox.message_id
)
LIMIT :limit;

-- name: insert_inbox!
INSERT INTO inbox (source, message_id, digest, noun, noun_id, answer, received_at)
VALUES (:source, :message_id, :digest, :noun, :noun_id, :answer, :received_at)
ON CONFLICT DO NOTHING;

-- name: prove_writable!
-- Both databases write the row again and wait for the disk, though it stays as it was.
UPDATE alembic_version SET version_num = version_num WHERE version_num > '';
