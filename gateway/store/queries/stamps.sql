-- Time-stamps over batches of the journal.

-- name: last_stamped$
SELECT max(last_seq) FROM time_stamps;

-- name: last_line$
SELECT max(seq) FROM journal;

-- name: journal_writers$
-- None: SQLite's only writer has committed one line before it writes the next.
SELECT NULL;

-- name: journal_leaves
SELECT seq, at, hash FROM journal WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: insert_stamp!
INSERT INTO time_stamps (first_seq, last_seq, stamped_at, root, leaves, token)
VALUES (:first_seq, :last_seq, :stamped_at, :root, :leaves, :token)
ON CONFLICT DO NOTHING;

-- name: next_stamp^
SELECT * FROM time_stamps WHERE first_seq > :after ORDER BY first_seq LIMIT 1;

-- name: stamps_between
SELECT * FROM time_stamps WHERE last_seq >= :first AND first_seq <= :last ORDER BY first_seq;
