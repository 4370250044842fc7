-- The journal, and what is kept beside it: documents and evidence.

-- name: insert_journal!
INSERT INTO journal (
  noun, noun_id, version, lot_id, owner, at, event, before, after, cause_source, cause_id, data, prev_hash, hash,
  bound
) VALUES (
  :noun, :noun_id, :version, :lot_id, :owner, :at, :event, :before, :after, :cause_source, :cause_id, :data,
  :prev_hash, :hash, :bound
)
ON CONFLICT DO NOTHING;

-- name: journal_of
SELECT * FROM journal WHERE noun = :noun AND noun_id = :noun_id AND version > :after ORDER BY version LIMIT :limit;

-- name: journal_between
SELECT * FROM journal WHERE noun = :noun AND noun_id >= :first AND noun_id <= :last ORDER BY noun_id, version;

-- name: count_stray_lines$
SELECT count(*) FROM journal
WHERE NOT EXISTS (SELECT 1 FROM nouns WHERE nouns.noun = journal.noun AND nouns.id = journal.noun_id);

-- name: count_lines_after$
SELECT count(*) FROM journal WHERE seq > :after;

-- name: last_unbound_at$
SELECT max(at) FROM journal WHERE bound IS NULL;

-- name: journal_of_lot
SELECT * FROM journal WHERE lot_id = :lot_id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: journal_line^
SELECT * FROM journal WHERE seq = :seq;

-- name: line_of^
SELECT * FROM journal WHERE noun = :noun AND noun_id = :noun_id AND version = :version;

-- name: last_move^
SELECT * FROM journal
WHERE noun = :noun AND noun_id = :noun_id AND (before IS NULL OR before <> after)
ORDER BY version DESC LIMIT 1;

-- name: refusals
-- What was refused at the doors, the newest first. (By code: in each dialect's own words for the JSON in `data`.)
SELECT * FROM journal WHERE event = 'RequestRefused' AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: refusals_of_sender
SELECT * FROM journal
WHERE event = 'RequestRefused' AND noun_id = :sender AND seq < :before
ORDER BY seq DESC LIMIT :limit;

-- name: document^
SELECT * FROM documents WHERE id = :id;

-- name: document_digest^
SELECT sha256 FROM documents WHERE id = :id;

-- name: insert_document!
INSERT INTO documents (id, media_type, sha256, content, created_at)
VALUES (:id, :media_type, :sha256, :content, :created_at)
ON CONFLICT DO NOTHING;

-- name: insert_evidence!
INSERT INTO evidence_links (
  noun, noun_id, lot_id, direction, message_source, message_id, at, signer, certificate_sha256, media_type, sha256,
  content
) VALUES (
  :noun, :noun_id, :lot_id, :direction, :message_source, :message_id, :at, :signer, :certificate_sha256,
  :media_type, :sha256, :content
);

-- name: evidence_of
SELECT seq, noun, noun_id, lot_id, direction, message_source, message_id, at, signer, certificate_sha256, media_type,
       sha256
FROM evidence_links WHERE noun = :noun AND noun_id = :noun_id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: evidence_of_lot
SELECT seq, noun, noun_id, lot_id, direction, message_source, message_id, at, signer, certificate_sha256, media_type,
       sha256
FROM evidence_links WHERE lot_id = :lot_id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: evidence_piece^
-- Up to v0009 contents were in a table of their own, each of them once, by its digest.
SELECT piece.sha256, coalesce(piece.content, older.content) AS content
FROM evidence_links AS piece LEFT JOIN evidence AS older ON older.sha256 = piece.sha256 AND piece.content IS NULL
WHERE piece.seq = :seq;
