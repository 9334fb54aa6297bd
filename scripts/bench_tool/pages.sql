CREATE FUNCTION pg_temp.u(kind text, i bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5(kind || i)::uuid $$

CREATE FUNCTION pg_temp.at(i bigint) RETURNS timestamptz STABLE LANGUAGE sql AS $$ SELECT current_setting('bench.now')::timestamptz - i * interval '15 minutes' - i % 7 * interval '1 minute' $$

CREATE FUNCTION pg_temp.client(i bigint) RETURNS uuid STABLE LANGUAGE sql AS $$ SELECT CASE WHEN i % 50 = 0 THEN (SELECT client_id FROM disputes WHERE id = current_setting('bench.dispute')::uuid) ELSE pg_temp.u('client', i % 400) END $$

CREATE FUNCTION pg_temp.copies(of text, whose text, n bigint, changes text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE done bigint;
BEGIN
    EXECUTE format('INSERT INTO %1$s OVERRIDING SYSTEM VALUE SELECT r.* FROM (SELECT * FROM %1$s WHERE %2$s ORDER BY 1 LIMIT 1) t CROSS JOIN generate_series(1, %3$s) i CROSS JOIN LATERAL jsonb_populate_record(NULL::%1$s, to_jsonb(t) || %4$s) r', of, whose, n, changes);
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done = 0 THEN RAISE EXCEPTION 'nothing to copy: % where %', of, whose; END IF;
    RETURN done;
END $$

SELECT pg_temp.copies('clients', 'true', 399, $$ jsonb_build_object('id', pg_temp.u('client', i), 'external_id', 'bench-' || i, 'name', 'ООО «Клиент ' || i || '»') $$)

SELECT pg_temp.copies('clients', 'true', 1, $$ jsonb_build_object('id', pg_temp.u('client', 0), 'external_id', 'bench-0', 'name', 'ООО «Клиент 0»') $$)

SELECT pg_temp.copies('contacts', 'true', 800, $$ jsonb_build_object('id', pg_temp.u('contact', i), 'client_id', pg_temp.u('client', i % 400), 'external_id', 'bench-' || i) $$)

SELECT pg_temp.copies('contact_phones', 'true', 800, $$ jsonb_build_object('contact_id', pg_temp.u('contact', i), 'number', '+7495' || 1000000 + i) $$)

SELECT pg_temp.copies('contracts', 'monthly_price_minor IS NOT NULL', 400, $$ jsonb_build_object('id', pg_temp.u('contract', i), 'client_id', pg_temp.u('client', i % 400), 'valid_from', pg_temp.at(i * 250)) $$)

SELECT pg_temp.copies('users', $$agent_ref = '101'$$, 30, $$ jsonb_build_object('id', pg_temp.u('user', i), 'name', 'bench-' || i, 'agent_ref', 'b' || i, 'full_name', 'Сотрудник ' || i) $$)

SELECT pg_temp.copies('events', 'client_id IS NOT NULL', current_setting('bench.recordings')::bigint / 2, $$ jsonb_build_object('id', pg_temp.u('event', i), 'external_id', 'bench-' || i, 'kind', (ARRAY['ticket','ticket','ticket','ticket','call','call','visit','update','act','complaint'])[1 + i % 10], 'origin', 'sent', 'client_id', pg_temp.client(i), 'agents', ARRAY['b' || i % 30], 'occurred_at', pg_temp.at(i * 2), 'subject', (ARRAY['Не печатает принтер','Не работает сеть','Обновление','Сверка актов','Вопрос по отчёту'])[1 + i % 5] || ' ' || i, 'closed_at', CASE WHEN i % 20 > 0 THEN pg_temp.at(i * 2) + interval '2 days' END) $$)

SELECT pg_temp.copies('events', $$client_id IS NULL AND origin = 'triage'$$, current_setting('bench.recordings')::bigint / 40, $$ jsonb_build_object('id', pg_temp.u('triage', i), 'occurred_at', pg_temp.at(i * 40)) $$)

SELECT pg_temp.copies('recordings', 'id = current_setting(''bench.recording'')::uuid', current_setting('bench.recordings')::bigint, $$ jsonb_build_object('id', pg_temp.u('recording', i), 'source_call_id', 'bench-' || i, 'started_at', pg_temp.at(i), 'received_at', pg_temp.at(i) + interval '5 minutes', 'duration_ms', 30000 + i * 7919 % 1200000, 'direction', (ARRAY['inbound','outbound'])[1 + i % 2], 'agent', CASE WHEN i % 31 = 0 THEN '101' ELSE 'b' || i % 30 END, 'outside_number', '+7495' || 1000000 + i % 4000, 'event_id', CASE WHEN i % 40 = 0 THEN pg_temp.u('triage', i / 40) ELSE pg_temp.u('event', 1 + i / 2) END, 'linked_by', CASE WHEN i % 40 = 0 THEN 'triage' ELSE 'number' END, 'flag', (ARRAY['notified','notified','notified','unknown','consented','notified','unknown','refused','pending','notified'])[1 + i % 10], 'proof', (ARRAY['A','B','C','F','D','A','F','A','E','A'])[1 + i % 10]) $$)

SELECT pg_temp.copies('parties', $$recording_id = current_setting('bench.recording')::uuid AND side = 'own'$$, current_setting('bench.recordings')::bigint, $$ jsonb_build_object('id', pg_temp.u('own', i), 'recording_id', pg_temp.u('recording', i)) $$)

SELECT pg_temp.copies('parties', $$recording_id = current_setting('bench.recording')::uuid AND side <> 'own'$$, current_setting('bench.recordings')::bigint, $$ jsonb_build_object('id', pg_temp.u('outside', i), 'recording_id', pg_temp.u('recording', i), 'client_id', pg_temp.client(1 + i / 2)) $$)

SELECT pg_temp.copies('legs', $$recording_id = current_setting('bench.recording')::uuid$$, current_setting('bench.recordings')::bigint, $$ jsonb_build_object('id', pg_temp.u('leg', i), 'recording_id', pg_temp.u('recording', i), 'object_id', pg_temp.u('object', i), 'playable_object_id', NULL, 'peaks_object_id', NULL, 'file_name', 'call-' || i || '.wav', 'received_at', pg_temp.at(i)) $$)

SELECT pg_temp.copies('sealed_objects', 'wrapped_key IS NOT NULL', current_setting('bench.recordings')::bigint, $$ jsonb_build_object('object_id', pg_temp.u('object', i), 'check_due_at', pg_temp.at(-i)) $$)

SELECT pg_temp.copies('link_changes', $$recording_id = current_setting('bench.recording')::uuid$$, current_setting('bench.recordings')::bigint, $$ jsonb_build_object('id', pg_temp.u('link', i), 'recording_id', pg_temp.u('recording', i), 'event_id', pg_temp.u('event', 1 + i / 2), 'at', pg_temp.at(i)) $$)

SELECT pg_temp.copies('marks', 'true', current_setting('bench.recordings')::bigint / 5, $$ jsonb_build_object('id', pg_temp.u('mark', i), 'recording_id', pg_temp.u('recording', i * 5 - i % 4), 'kind', (ARRAY['praise','key_moment','comment','mistake'])[1 + i % 4], 'made_at', pg_temp.at(i * 5)) $$)

SELECT pg_temp.copies('assertions', $$recording_id = current_setting('bench.recording')::uuid AND status = 'verified'$$, current_setting('bench.recordings')::bigint * 6 / 10, $$ jsonb_build_object('id', pg_temp.u('assertion', i), 'recording_id', pg_temp.u('recording', i), 'party_id', pg_temp.u('outside', i), 'proposed_at', pg_temp.at(i)) $$)

SELECT pg_temp.copies('assertions', $$status = 'proposed' AND kind = 'verbal_notice'$$, current_setting('bench.recordings')::bigint / 50, $$ jsonb_build_object('id', pg_temp.u('proposed', i), 'recording_id', pg_temp.u('recording', i * 10), 'party_id', pg_temp.u('outside', i * 10), 'proposed_at', pg_temp.at(i * 10)) $$)

SELECT pg_temp.copies('known_calls', 'true', current_setting('bench.recordings')::bigint, $$ jsonb_build_object('id', pg_temp.u('known', i), 'call_id', 'bench-' || i, 'linked_id', NULL, 'started_at', pg_temp.at(i), 'recording_id', pg_temp.u('recording', i), 'matched_by', 'call_id', 'part_of', NULL) $$)

SELECT pg_temp.copies('call_gaps', 'known_call_id IS NOT NULL', current_setting('bench.recordings')::bigint / 100, $$ jsonb_build_object('id', pg_temp.u('gap', i), 'known_call_id', pg_temp.u('known', i * 100), 'at', pg_temp.at(i * 100), 'day', pg_temp.at(i * 100)::date, 'closed_at', CASE WHEN i % 5 > 0 THEN pg_temp.at(i * 100 - 90) END) $$)

SELECT pg_temp.copies('disputes', $$id = current_setting('bench.dispute')::uuid$$, current_setting('bench.recordings')::bigint / 250, $$ jsonb_build_object('id', pg_temp.u('dispute', i), 'client_id', pg_temp.client(i), 'opened_at', pg_temp.at(i * 250), 'subject', 'Спор ' || i, 'state', CASE WHEN i % 5 = 0 THEN t.state ELSE 'closed' END, 'closed_at', CASE WHEN i % 5 > 0 THEN pg_temp.at(i * 250 - 2000) END) $$)

SELECT pg_temp.copies('dispute_steps', $$dispute_id = current_setting('bench.dispute')::uuid$$, current_setting('bench.recordings')::bigint / 250, $$ jsonb_build_object('id', pg_temp.u('step', i), 'dispute_id', pg_temp.u('dispute', i)) $$)

SELECT pg_temp.copies('dispute_hours', 'replaces IS NULL AND hour_minor IS NOT NULL', current_setting('bench.recordings')::bigint / 50, $$ jsonb_build_object('id', pg_temp.u('hours', i), 'dispute_id', pg_temp.u('dispute', 1 + i / 5), 'worked_on', pg_temp.at(i * 50)::date) $$)

SELECT pg_temp.copies('releases', 'true', current_setting('bench.recordings')::bigint / 500, $$ jsonb_build_object('id', pg_temp.u('release', i), 'dispute_id', pg_temp.u('dispute', i), 'client_id', pg_temp.client(i), 'requested_at', pg_temp.at(i * 500)) $$)

SELECT pg_temp.copies('appraisals', 'calibration_id IS NULL', current_setting('bench.recordings')::bigint / 20, $$ jsonb_build_object('id', pg_temp.u('appraisal', i), 'recording_id', pg_temp.u('recording', i * 20), 'agent', CASE WHEN i % 31 = 0 THEN '101' ELSE 'b' || i % 30 END, 'made_at', pg_temp.at(i * 20)) $$)

SELECT pg_temp.copies('exemplary_calls', 'true', 300, $$ jsonb_build_object('id', pg_temp.u('exemplary', i), 'recording_id', pg_temp.u('recording', i * 300), 'added_at', pg_temp.at(i * 300), 'title', 'Разбор ' || i) $$)

SELECT pg_temp.copies('custody_entries', $$object_kind = 'recording'$$, current_setting('bench.recordings')::bigint * 4, $$ jsonb_build_object('id', pg_temp.u('entry', i), 'position', 1000000 + i, 'object_id', pg_temp.u('recording', 1 + i / 4), 'at', pg_temp.at(i / 4), 'act', (ARRAY['recording.ingested','derived.created','decision.made','media.played'])[1 + i % 4]) $$)

ANALYZE
