-- Signed requests that were answered.

-- name: insert_signature!
INSERT INTO signatures_seen (mark, until) VALUES (:mark, :until) ON CONFLICT DO NOTHING;

-- name: forget_signatures!
DELETE FROM signatures_seen
WHERE mark IN (SELECT mark FROM signatures_seen WHERE until < :before ORDER BY until LIMIT :limit);
