CREATE FUNCTION pg_temp.u(kind text, i bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT (left(md5(kind), 8) || lpad(to_hex(i), 24, '0'))::uuid $$

DO $do$ BEGIN EXECUTE format($$ CREATE FUNCTION pg_temp.at(i bigint) RETURNS timestamptz STABLE LANGUAGE sql AS $at$ SELECT %L::timestamptz - (i + i %% 7 / 15.0::float8) * %L::interval $at$ $$, current_setting('bench.now')::timestamptz, current_setting('bench.between')::interval); END $do$

DO $do$ BEGIN EXECUTE format($$ CREATE FUNCTION pg_temp.client(i bigint) RETURNS uuid STABLE LANGUAGE sql AS $client$ SELECT CASE WHEN i %% 50 = 0 THEN %L::uuid ELSE pg_temp.u('client', i %% 400) END $client$ $$, current_setting('bench.client')); END $do$

CREATE FUNCTION pg_temp.copies(of text, whose text, n bigint, changes text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE step CONSTANT bigint := 1000000; is_long CONSTANT boolean := n >= 500000; columns text; filled text; names text[]; built text[]; began timestamptz;
BEGIN
    EXECUTE format('CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM %s WHERE %s ORDER BY 1 LIMIT 1', of, whose);
    IF NOT EXISTS (SELECT FROM pg_temp.copied) THEN RAISE EXCEPTION 'nothing to copy: % where %', of, whose; END IF;
    EXECUTE format('CREATE TEMP VIEW changed AS SELECT c.* FROM (SELECT * FROM %s LIMIT 0) t CROSS JOIN generate_series(1::bigint, 0) i CROSS JOIN LATERAL (SELECT %s) c', of, changes);
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), string_agg(CASE WHEN c.attname IS NULL THEN 't.' || quote_ident(a.attname) ELSE format('c.%I::%s', a.attname, format_type(a.atttypid, a.atttypmod)) END, ', ' ORDER BY a.attnum)
    INTO columns, filled
    FROM pg_attribute a LEFT JOIN pg_attribute c ON c.attrelid = 'pg_temp.changed'::regclass AND c.attname = a.attname
    WHERE a.attrelid = of::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    DROP VIEW pg_temp.changed;
    IF is_long THEN -- Indexes are made in one go afterwards, those of constraints alone are not.
        SELECT array_agg(indexrelid::regclass::text), array_agg(pg_get_indexdef(indexrelid)) INTO names, built FROM pg_index
        WHERE indrelid = of::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid);
        EXECUTE coalesce('DROP INDEX ' || array_to_string(names, ', '), 'SELECT 1');
        -- Written anew in this transaction, the little that is there has no place in the log, nor has what follows it.
        EXECUTE format('CLUSTER %s USING %s', of, (SELECT indexrelid::regclass FROM pg_index WHERE indrelid = of::regclass AND indisprimary));
    END IF;
    FOR done IN 0..n - 1 BY step LOOP
        began := clock_timestamp();
        EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM pg_temp.copied t CROSS JOIN generate_series(%s::bigint, %s) i CROSS JOIN LATERAL (SELECT %s) c', of, columns, filled, done + 1, least(n, done + step), changes);
        IF is_long THEN RAISE NOTICE '%: % of %, % s', of, least(n, done + step), n, round(extract(epoch FROM clock_timestamp() - began)); END IF;
    END LOOP;
    FOR i IN 1..coalesce(cardinality(built), 0) LOOP
        began := clock_timestamp();
        EXECUTE built[i];
        RAISE NOTICE '%: % s', names[i], round(extract(epoch FROM clock_timestamp() - began));
    END LOOP;
    DROP TABLE pg_temp.copied;
    RETURN n;
END $$

SELECT pg_temp.copies('clients', 'true', 399, $$ pg_temp.u('client', i) AS id, 'bench-' || i AS external_id, 'ООО «Клиент ' || i || '»' AS name $$)

SELECT pg_temp.copies('clients', 'true', 1, $$ pg_temp.u('client', 0) AS id, 'bench-0' AS external_id, 'ООО «Клиент 0»' AS name $$)

SELECT pg_temp.copies('contacts', 'true', 800, $$ pg_temp.u('contact', i) AS id, pg_temp.u('client', i % 400) AS client_id, 'bench-' || i AS external_id $$)

SELECT pg_temp.copies('contact_phones', 'true', 800, $$ pg_temp.u('contact', i) AS contact_id, '+7495' || 1000000 + i AS number $$)

SELECT pg_temp.copies('contracts', 'monthly_price_minor IS NOT NULL', 400, $$ pg_temp.u('contract', i) AS id, pg_temp.u('client', i % 400) AS client_id, pg_temp.at(i * 250) AS valid_from $$)

SELECT pg_temp.copies('users', $$agent_ref = '101'$$, 30, $$ pg_temp.u('user', i) AS id, 'bench-' || i AS name, 'b' || i AS agent_ref, 'Сотрудник ' || i AS full_name $$)

SELECT pg_temp.copies('events', 'client_id IS NOT NULL', current_setting('bench.recordings')::bigint / 2, $$ pg_temp.u('event', i) AS id, 'bench-' || i AS external_id, (ARRAY['ticket','ticket','ticket','ticket','call','call','visit','update','act','complaint'])[1 + i % 10] AS kind, 'sent' AS origin, pg_temp.client(i) AS client_id, ARRAY['b' || i % 30] AS agents, pg_temp.at(i * 2) AS occurred_at, (ARRAY['Не печатает принтер','Не работает сеть','Обновление','Сверка актов','Вопрос по отчёту'])[1 + i % 5] || ' ' || i || CASE WHEN i % 100 = 7 THEN ' касса' WHEN i % 1000 = 11 THEN ' модем' WHEN i % 10000 = 13 THEN ' факс' ELSE '' END AS subject, CASE WHEN i % 20 > 0 THEN pg_temp.at(i * 2) + interval '2 days' END AS closed_at $$)

SELECT pg_temp.copies('events', $$client_id IS NULL AND origin = 'triage'$$, current_setting('bench.recordings')::bigint / 40, $$ pg_temp.u('triage', i) AS id, NULL AS external_id, pg_temp.at(i * 40) AS occurred_at $$)

SELECT pg_temp.copies('recordings', 'id = current_setting(''bench.recording'')::uuid', current_setting('bench.recordings')::bigint, $$ pg_temp.u('recording', i) AS id, 'bench-' || i AS source_call_id, pg_temp.at(i) AS started_at, pg_temp.at(i) + interval '5 minutes' AS received_at, 30000 + i * 7919 % 1200000 AS duration_ms, (ARRAY['inbound','outbound'])[1 + i % 2] AS direction, CASE WHEN i % 31 = 0 THEN '101' ELSE 'b' || i % 30 END AS agent, '+7495' || 1000000 + i % 4000 AS outside_number, CASE WHEN i % 40 = 0 THEN pg_temp.u('triage', i / 40) ELSE pg_temp.u('event', 1 + i / 2) END AS event_id, CASE WHEN i % 40 > 0 THEN pg_temp.client(1 + i / 2) END AS client_id, CASE WHEN i % 40 = 0 THEN 'triage' ELSE 'number' END AS linked_by, (ARRAY['notified','notified','notified','unknown','consented','notified','unknown','refused','pending','notified'])[1 + i % 10] AS flag, (ARRAY['A','B','C','F','D','A','F','A','E','A'])[1 + i % 10] AS proof $$)

SELECT pg_temp.copies('parties', $$recording_id = current_setting('bench.recording')::uuid AND side = 'own'$$, current_setting('bench.recordings')::bigint, $$ pg_temp.u('own', i) AS id, pg_temp.u('recording', i) AS recording_id $$)

SELECT pg_temp.copies('parties', $$recording_id = current_setting('bench.recording')::uuid AND side <> 'own'$$, current_setting('bench.recordings')::bigint, $$ pg_temp.u('outside', i) AS id, pg_temp.u('recording', i) AS recording_id, pg_temp.client(1 + i / 2) AS client_id $$)

SELECT pg_temp.copies('legs', $$recording_id = current_setting('bench.recording')::uuid$$, current_setting('bench.recordings')::bigint, $$ pg_temp.u('leg', i) AS id, pg_temp.u('recording', i) AS recording_id, pg_temp.u('object', i) AS object_id, NULL AS playable_object_id, NULL AS peaks_object_id, 'call-' || i || '.wav' AS file_name, pg_temp.at(i) AS received_at $$)

SELECT pg_temp.copies('sealed_objects', 'wrapped_key IS NOT NULL', current_setting('bench.recordings')::bigint, $$ pg_temp.u('object', i) AS object_id, pg_temp.at(-i) AS check_due_at $$)

SELECT pg_temp.copies('link_changes', $$recording_id = current_setting('bench.recording')::uuid$$, current_setting('bench.recordings')::bigint, $$ pg_temp.u('link', i) AS id, pg_temp.u('recording', i) AS recording_id, pg_temp.u('event', 1 + i / 2) AS event_id, pg_temp.at(i) AS at $$)

SELECT pg_temp.copies('marks', 'true', current_setting('bench.recordings')::bigint / 5, $$ pg_temp.u('mark', i) AS id, pg_temp.u('recording', i * 5 - i % 4) AS recording_id, (ARRAY['praise','key_moment','comment','mistake'])[1 + i % 4] AS kind, pg_temp.at(i * 5) AS made_at $$)

SELECT pg_temp.copies('assertions', $$recording_id = current_setting('bench.recording')::uuid AND status = 'verified'$$, current_setting('bench.recordings')::bigint * 6 / 10, $$ pg_temp.u('assertion', i) AS id, pg_temp.u('recording', i) AS recording_id, pg_temp.u('outside', i) AS party_id, pg_temp.at(i) AS proposed_at $$)

SELECT pg_temp.copies('assertions', $$status = 'proposed' AND kind = 'verbal_notice'$$, current_setting('bench.recordings')::bigint / 50, $$ pg_temp.u('proposed', i) AS id, pg_temp.u('recording', i * 10) AS recording_id, pg_temp.u('outside', i * 10) AS party_id, pg_temp.at(i * 10) AS proposed_at $$)

SELECT pg_temp.copies('known_calls', 'true', current_setting('bench.recordings')::bigint, $$ pg_temp.u('known', i) AS id, 'bench-' || i AS call_id, NULL AS linked_id, pg_temp.at(i) AS started_at, pg_temp.u('recording', i) AS recording_id, 'call_id' AS matched_by, NULL AS part_of $$)

SELECT pg_temp.copies('call_gaps', 'known_call_id IS NOT NULL', current_setting('bench.recordings')::bigint / 100, $$ pg_temp.u('gap', i) AS id, pg_temp.u('known', i * 100) AS known_call_id, pg_temp.at(i * 100) AS at, pg_temp.at(i * 100)::date AS day, CASE WHEN i % 5 > 0 THEN pg_temp.at(i * 100 - 90) END AS closed_at $$)

SELECT pg_temp.copies('disputes', $$id = current_setting('bench.dispute')::uuid$$, current_setting('bench.recordings')::bigint / 250, $$ pg_temp.u('dispute', i) AS id, pg_temp.client(i) AS client_id, pg_temp.at(i * 250) AS opened_at, 'Спор ' || i AS subject, CASE WHEN i % 5 = 0 THEN t.state ELSE 'closed' END AS state, CASE WHEN i % 5 > 0 THEN pg_temp.at(i * 250 - 2000) END AS closed_at $$)

SELECT pg_temp.copies('dispute_steps', $$dispute_id = current_setting('bench.dispute')::uuid$$, current_setting('bench.recordings')::bigint / 250, $$ pg_temp.u('step', i) AS id, pg_temp.u('dispute', i) AS dispute_id $$)

SELECT pg_temp.copies('dispute_hours', 'replaces IS NULL AND hour_minor IS NOT NULL', current_setting('bench.recordings')::bigint / 50, $$ pg_temp.u('hours', i) AS id, pg_temp.u('dispute', 1 + i / 5) AS dispute_id, pg_temp.at(i * 50)::date AS worked_on $$)

SELECT pg_temp.copies('releases', 'true', current_setting('bench.recordings')::bigint / 500, $$ pg_temp.u('release', i) AS id, pg_temp.u('dispute', i) AS dispute_id, pg_temp.client(i) AS client_id, pg_temp.at(i * 500) AS requested_at $$)

SELECT pg_temp.copies('appraisals', 'calibration_id IS NULL', current_setting('bench.recordings')::bigint / 20, $$ pg_temp.u('appraisal', i) AS id, pg_temp.u('recording', i * 20) AS recording_id, CASE WHEN i % 31 = 0 THEN '101' ELSE 'b' || i % 30 END AS agent, pg_temp.at(i * 20) AS made_at $$)

SELECT pg_temp.copies('exemplary_calls', 'true', 300, $$ pg_temp.u('exemplary', i) AS id, pg_temp.u('recording', i * 300) AS recording_id, pg_temp.at(i * 300) AS added_at, 'Разбор ' || i AS title $$)

SELECT pg_temp.copies('custody_entries', $$object_kind = 'recording'$$, current_setting('bench.recordings')::bigint * 4, $$ pg_temp.u('entry', i) AS id, 1000000 + i AS position, pg_temp.u('recording', 1 + i / 4) AS object_id, pg_temp.at(i / 4) AS at, (ARRAY['recording.ingested','derived.created','decision.made','media.played'])[1 + i % 4] AS act $$)

SELECT pg_temp.copies('ledger_leaves', 'true', current_setting('bench.recordings')::bigint * 4 - 40, $$ 1000000 + i AS seq, pg_temp.u('entry', i) AS entry_id, 'recording' AS object_kind, pg_temp.u('recording', 1 + i / 4) AS object_id $$)

SELECT pg_temp.copies('procrastinate_jobs', 'true', current_setting('bench.recordings')::bigint, $$ 1000000 + i AS id, 'inspection.inspect' AS task_name, 'audiatur' AS queue_name, NULL AS lock, NULL AS queueing_lock, CASE WHEN i % 100 = 0 THEN 'todo' ELSE 'succeeded' END AS status, NULL AS worker_id, pg_temp.at(i) AS scheduled_at $$)
