-- Else SQLite needs nothing of its own: the common queries are written in what both understand.

-- name: refusals_with_code
SELECT * FROM journal
WHERE event = 'RequestRefused' AND json_extract(data, '$.code') = :code AND seq < :before
ORDER BY seq DESC LIMIT :limit;

-- name: refusals_of_sender_with_code
SELECT * FROM journal
WHERE event = 'RequestRefused' AND noun_id = :sender AND json_extract(data, '$.code') = :code AND seq < :before
ORDER BY seq DESC LIMIT :limit;
