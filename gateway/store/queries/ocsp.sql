-- OCSP answers as they came, by the participant whose certificate they speak of.

-- name: insert_ocsp_answer!
INSERT INTO ocsp_answers (sha256, participant, certificate_sha256, kept_at, content)
VALUES (:sha256, :participant, :certificate_sha256, :kept_at, :content)
ON CONFLICT DO NOTHING;

-- name: ocsp_answers_of
SELECT * FROM ocsp_answers
WHERE participant = :participant AND kept_at >= :since AND kept_at <= :until
ORDER BY kept_at;
