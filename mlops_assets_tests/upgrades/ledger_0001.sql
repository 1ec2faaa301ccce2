SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE FUNCTION public.ledger_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'the ledger keeps % for ever: % refused', tg_table_name, lower(tg_op)
        using errcode = 'restrict_violation';
end $$;
CREATE FUNCTION public.ledger_write_once() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if (new.model, new.version, new.created_at, new.data_versions)
            is distinct from (old.model, old.version, old.created_at, old.data_versions)
        or (old.mlflow_run_id is not null and new.mlflow_run_id is distinct from old.mlflow_run_id)
        or (old.bundle_path is not null and new.bundle_path is distinct from old.bundle_path)
        or (old.manifest_sha256 is not null and new.manifest_sha256 is distinct from old.manifest_sha256)
        or (old.code_commit is not null and new.code_commit is distinct from old.code_commit)
        or (old.seed is not null and new.seed is distinct from old.seed) then
        raise exception 'what made % version % is already written and does not change', old.model, old.version
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.alerts (
    id bigint NOT NULL,
    key text NOT NULL,
    model text,
    kind text NOT NULL,
    severity text NOT NULL,
    message text NOT NULL,
    at timestamp with time zone NOT NULL,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    CONSTRAINT alerts_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'error'::text, 'critical'::text])))
);
ALTER TABLE public.alerts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.alerts_log (
    id bigint NOT NULL,
    key text NOT NULL,
    model text NOT NULL,
    entity text NOT NULL,
    flag text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    readings integer NOT NULL,
    message text NOT NULL
);
ALTER TABLE public.alerts_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alerts_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.approvals (
    evidence_hash text NOT NULL,
    verdict text NOT NULL,
    actor text NOT NULL,
    comment text NOT NULL,
    at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT approvals_actor_check CHECK ((actor <> ''::text)),
    CONSTRAINT approvals_verdict_check CHECK ((verdict = ANY (ARRAY['approve'::text, 'reject'::text, 'defer'::text])))
);
CREATE TABLE public.asset_records (
    asset text NOT NULL,
    run_id text NOT NULL,
    body json NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE public.champion (
    model text NOT NULL,
    version integer,
    epoch integer NOT NULL,
    evidence_hash text,
    since timestamp with time zone NOT NULL,
    CONSTRAINT champion_check CHECK (((version IS NULL) = (evidence_hash IS NULL))),
    CONSTRAINT champion_epoch_check CHECK ((epoch > 0))
);
CREATE TABLE public.evidence (
    hash text NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    body json NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT evidence_check CHECK ((((body ->> 'model'::text) = model) AND ((body ->> 'version'::text) = (version)::text))),
    CONSTRAINT evidence_has_its_hash CHECK ((hash = encode(sha256(convert_to((body)::text, 'UTF8'::name)), 'hex'::text)))
);
CREATE TABLE public.history (
    id bigint NOT NULL,
    model text NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    from_version integer,
    to_version integer,
    version integer NOT NULL,
    epoch integer NOT NULL,
    evidence_hash text,
    reason text NOT NULL,
    CONSTRAINT history_action_check CHECK ((action = ANY (ARRAY['promoted'::text, 'kept'::text, 'refused'::text, 'rolled_back'::text, 'retired'::text]))),
    CONSTRAINT history_actor_check CHECK ((actor <> ''::text)),
    CONSTRAINT history_check CHECK (((action = 'retired'::text) OR (evidence_hash IS NOT NULL))),
    CONSTRAINT history_check1 CHECK (((action <> ALL (ARRAY['promoted'::text, 'rolled_back'::text])) OR (NOT (to_version IS DISTINCT FROM version))))
);
ALTER TABLE public.history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.model_performance (
    model text NOT NULL,
    version integer NOT NULL,
    at timestamp with time zone NOT NULL,
    week date GENERATED ALWAYS AS ((date_trunc('week'::text, (at AT TIME ZONE 'UTC'::text)))::date) STORED,
    metric text NOT NULL,
    split text NOT NULL,
    value double precision NOT NULL,
    rows bigint NOT NULL,
    CONSTRAINT model_performance_rows_check CHECK ((rows > 0)),
    CONSTRAINT model_performance_value_check CHECK (((value > '-Infinity'::double precision) AND (value < 'Infinity'::double precision)))
);
CREATE TABLE public.model_versions (
    model text NOT NULL,
    version integer NOT NULL,
    status text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    mlflow_run_id text,
    bundle_path text,
    manifest_sha256 text,
    data_versions jsonb NOT NULL,
    code_commit text,
    seed bigint,
    CONSTRAINT model_versions_check CHECK (((bundle_path IS NULL) = (manifest_sha256 IS NULL))),
    CONSTRAINT model_versions_check1 CHECK (((status <> 'champion'::text) OR (bundle_path IS NOT NULL))),
    CONSTRAINT model_versions_manifest_sha256_check CHECK ((manifest_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT model_versions_status_check CHECK ((status = ANY (ARRAY['challenger'::text, 'champion'::text, 'archived'::text, 'refused'::text]))),
    CONSTRAINT model_versions_version_check CHECK ((version > 0))
);
CREATE TABLE public.predictions (
    model text NOT NULL,
    version integer NOT NULL,
    entity text NOT NULL,
    at timestamp with time zone NOT NULL,
    predicted_at timestamp with time zone NOT NULL,
    value double precision,
    label text,
    CONSTRAINT predictions_value_check CHECK (((value > '-Infinity'::double precision) AND (value < 'Infinity'::double precision)))
);
CREATE TABLE public.retrain_requests (
    id bigint NOT NULL,
    model text NOT NULL,
    key text NOT NULL,
    cause text NOT NULL,
    detail json NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    run_id text,
    finished_at timestamp with time zone,
    CONSTRAINT retrain_requests_check CHECK (((state = ANY (ARRAY['open'::text, 'running'::text])) = (finished_at IS NULL))),
    CONSTRAINT retrain_requests_state_check CHECK ((state = ANY (ARRAY['open'::text, 'running'::text, 'done'::text, 'failed'::text, 'dropped'::text])))
);
ALTER TABLE public.retrain_requests ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.retrain_requests_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.waivers (
    id bigint NOT NULL,
    model text NOT NULL,
    gate text NOT NULL,
    owner text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT waivers_check CHECK ((expires_at > at)),
    CONSTRAINT waivers_owner_check CHECK ((owner <> ''::text)),
    CONSTRAINT waivers_reason_check CHECK ((reason <> ''::text))
);
ALTER TABLE public.waivers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.waivers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.watermarks (
    model text NOT NULL,
    source text NOT NULL,
    value text NOT NULL,
    at timestamp with time zone NOT NULL
);
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.alerts OVERRIDING SYSTEM VALUE VALUES (1, 'k1', 'pump', 'failed_run', 'error', 'run failed', '2026-01-02 00:00:00+00', NULL, NULL);
INSERT INTO public.alerts OVERRIDING SYSTEM VALUE VALUES (2, 'k2', NULL, 'ledger_broken', 'critical', 'a rule is broken', '2026-01-03 00:00:00+00', NULL, NULL);
INSERT INTO public.alerts_log OVERRIDING SYSTEM VALUE VALUES (1, 'l1', 'pump', 'p1', 'hot', '2026-01-02 00:00:00+00', '2026-01-02 01:00:00+00', 12, 'hot');
INSERT INTO public.approvals VALUES ('fd1133b5c5711d9584277677e4d87245e1f593e44b85b28677de8b87b7eef7e5', 'approve', 'bob', 'looks right', '2026-01-02 02:00:00+00', NULL);
INSERT INTO public.asset_records VALUES ('pump/features', 'r1', '{"rows": 10}', '2026-01-02 00:00:00+00');
INSERT INTO public.champion VALUES ('pump', 2, 2, 'fd1133b5c5711d9584277677e4d87245e1f593e44b85b28677de8b87b7eef7e5', '2026-01-02 02:00:00+00');
INSERT INTO public.evidence VALUES ('733bac96a2637757e37fac31c256d43840a7ca36135d9021b4eba8e49452e879', 'pump', 1, '{"champion":{"epoch":0,"version":null},"manifest_sha256":"1111111111111111111111111111111111111111111111111111111111111111","metrics":{"rmse":1.4,"worst":{"$number":"NaN"}},"model":"pump","version":1}', '2026-01-01 02:00:00+00');
INSERT INTO public.evidence VALUES ('fd1133b5c5711d9584277677e4d87245e1f593e44b85b28677de8b87b7eef7e5', 'pump', 2, '{"champion":{"epoch":1,"version":1},"manifest_sha256":"2222222222222222222222222222222222222222222222222222222222222222","metrics":{"rmse":1.3,"worst":{"$number":"NaN"}},"model":"pump","version":2}', '2026-01-02 02:00:00+00');
INSERT INTO public.evidence VALUES ('3feedc2b2fb4ed9c27139f445165353a16b996e10238c2edd0743b1eb1499f85', 'pump', 3, '{"champion":{"epoch":2,"version":2},"manifest_sha256":"3333333333333333333333333333333333333333333333333333333333333333","metrics":{"rmse":1.2,"worst":{"$number":"NaN"}},"model":"pump","version":3}', '2026-01-03 02:00:00+00');
INSERT INTO public.evidence VALUES ('b1a23a1df317f1f41a9d120c3ddc4bc77e0ee8a85672a71b5444b23b8d678e6d', 'pump', 4, '{"champion":{"epoch":2,"version":2},"manifest_sha256":"4444444444444444444444444444444444444444444444444444444444444444","metrics":{"rmse":1.1,"worst":{"$number":"NaN"}},"model":"pump","version":4}', '2026-01-04 02:00:00+00');
INSERT INTO public.history OVERRIDING SYSTEM VALUE VALUES (1, 'pump', '2026-01-01 02:00:00+00', 'ann', 'promoted', NULL, 1, 1, 1, '733bac96a2637757e37fac31c256d43840a7ca36135d9021b4eba8e49452e879', 'first');
INSERT INTO public.history OVERRIDING SYSTEM VALUE VALUES (2, 'pump', '2026-01-02 02:00:00+00', 'ann', 'promoted', 1, 2, 2, 2, 'fd1133b5c5711d9584277677e4d87245e1f593e44b85b28677de8b87b7eef7e5', 'better by 6 %');
INSERT INTO public.history OVERRIDING SYSTEM VALUE VALUES (3, 'pump', '2026-01-03 02:00:00+00', 'ann', 'refused', 2, 2, 3, 2, '3feedc2b2fb4ed9c27139f445165353a16b996e10238c2edd0743b1eb1499f85', 'leakage');
INSERT INTO public.model_performance VALUES ('pump', 2, '2026-01-10 00:00:00+00', DEFAULT, 'rmse', 'production', 1.25, 100);
INSERT INTO public.model_versions VALUES ('pump', 1, 'archived', '2026-01-01 02:00:00+00', 'run1', 'bundles/pump/1', '1111111111111111111111111111111111111111111111111111111111111111', '{"features": {"rows": 10, "model": "pump", "table": "features", "columns": ["x"], "version": 1, "content_hash": "c"}}', 'abc', 42);
INSERT INTO public.model_versions VALUES ('pump', 2, 'champion', '2026-01-02 02:00:00+00', 'run2', 'bundles/pump/2', '2222222222222222222222222222222222222222222222222222222222222222', '{"features": {"rows": 10, "model": "pump", "table": "features", "columns": ["x"], "version": 2, "content_hash": "c"}}', 'abc', 42);
INSERT INTO public.model_versions VALUES ('pump', 3, 'refused', '2026-01-03 02:00:00+00', 'run3', 'bundles/pump/3', '3333333333333333333333333333333333333333333333333333333333333333', '{"features": {"rows": 10, "model": "pump", "table": "features", "columns": ["x"], "version": 3, "content_hash": "c"}}', 'abc', 42);
INSERT INTO public.model_versions VALUES ('pump', 4, 'challenger', '2026-01-04 02:00:00+00', 'run4', 'bundles/pump/4', '4444444444444444444444444444444444444444444444444444444444444444', '{"features": {"rows": 10, "model": "pump", "table": "features", "columns": ["x"], "version": 4, "content_hash": "c"}}', 'abc', 42);
INSERT INTO public.predictions VALUES ('pump', 2, 'p1', '2026-01-10 00:00:00+00', '2026-01-10 00:05:00+00', 71.5, NULL);
INSERT INTO public.predictions VALUES ('pump', 2, 'p2', '2026-01-10 00:00:00+00', '2026-01-10 00:05:00+00', NULL, 'ok');
INSERT INTO public.retrain_requests OVERRIDING SYSTEM VALUE VALUES (1, 'pump', 'a', 'drift', '{}', '2026-01-02 00:00:00+00', 'done', NULL, '2026-01-03 00:00:00+00');
INSERT INTO public.retrain_requests OVERRIDING SYSTEM VALUE VALUES (2, 'pump', 'b', 'drift', '{}', '2026-01-02 00:00:00+00', 'open', NULL, NULL);
INSERT INTO public.retrain_requests OVERRIDING SYSTEM VALUE VALUES (3, 'pump', 'c', 'drift', '{}', '2026-01-02 00:00:00+00', 'running', NULL, NULL);
INSERT INTO public.waivers OVERRIDING SYSTEM VALUE VALUES (1, 'pump', 'latency', 'bob', 'new machine', '2026-01-02 00:00:00+00', '2026-06-02 00:00:00+00');
INSERT INTO public.watermarks VALUES ('pump', 'readings', '12', '2026-01-10 00:00:00+00');
SELECT pg_catalog.setval('public.alerts_id_seq', 2, true);
SELECT pg_catalog.setval('public.alerts_log_id_seq', 1, true);
SELECT pg_catalog.setval('public.history_id_seq', 3, true);
SELECT pg_catalog.setval('public.retrain_requests_id_seq', 3, true);
SELECT pg_catalog.setval('public.waivers_id_seq', 1, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_key_key UNIQUE (key);
ALTER TABLE ONLY public.alerts_log
    ADD CONSTRAINT alerts_log_key_key UNIQUE (key);
ALTER TABLE ONLY public.alerts_log
    ADD CONSTRAINT alerts_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (evidence_hash);
ALTER TABLE ONLY public.asset_records
    ADD CONSTRAINT asset_records_pkey PRIMARY KEY (asset, run_id);
ALTER TABLE ONLY public.champion
    ADD CONSTRAINT champion_pkey PRIMARY KEY (model);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.model_performance
    ADD CONSTRAINT model_performance_pkey PRIMARY KEY (model, version, metric, split, at);
ALTER TABLE ONLY public.model_versions
    ADD CONSTRAINT model_versions_pkey PRIMARY KEY (model, version);
ALTER TABLE ONLY public.predictions
    ADD CONSTRAINT predictions_pkey PRIMARY KEY (model, at, entity, version);
ALTER TABLE ONLY public.retrain_requests
    ADD CONSTRAINT retrain_requests_model_key_key UNIQUE (model, key);
ALTER TABLE ONLY public.retrain_requests
    ADD CONSTRAINT retrain_requests_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.waivers
    ADD CONSTRAINT waivers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.watermarks
    ADD CONSTRAINT watermarks_pkey PRIMARY KEY (model, source);
CREATE INDEX alerts_log_by_model ON public.alerts_log USING btree (model, started_at);
CREATE INDEX asset_records_latest ON public.asset_records USING btree (asset, at);
CREATE INDEX evidence_by_version ON public.evidence USING btree (model, version);
CREATE INDEX history_by_model ON public.history USING btree (model, id);
CREATE UNIQUE INDEX history_one_move_per_epoch ON public.history USING btree (model, epoch) WHERE (action = ANY (ARRAY['promoted'::text, 'rolled_back'::text, 'retired'::text]));
CREATE UNIQUE INDEX history_one_promotion_per_evidence ON public.history USING btree (evidence_hash) WHERE (action = 'promoted'::text);
CREATE UNIQUE INDEX model_versions_one_champion ON public.model_versions USING btree (model) WHERE (status = 'champion'::text);
CREATE INDEX waivers_by_model ON public.waivers USING btree (model, gate);
CREATE TRIGGER keep_rows BEFORE DELETE OR UPDATE ON public.approvals FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_rows BEFORE DELETE ON public.champion FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_rows BEFORE DELETE OR UPDATE ON public.evidence FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_rows BEFORE DELETE OR UPDATE ON public.history FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_rows BEFORE DELETE ON public.model_versions FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_rows BEFORE DELETE OR UPDATE ON public.waivers FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON public.approvals FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON public.champion FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON public.evidence FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON public.history FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON public.model_versions FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON public.waivers FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();
CREATE TRIGGER write_once BEFORE UPDATE ON public.model_versions FOR EACH ROW EXECUTE FUNCTION public.ledger_write_once();
ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_evidence_hash_fkey FOREIGN KEY (evidence_hash) REFERENCES public.evidence(hash);
ALTER TABLE ONLY public.champion
    ADD CONSTRAINT champion_evidence_hash_fkey FOREIGN KEY (evidence_hash) REFERENCES public.evidence(hash);
ALTER TABLE ONLY public.champion
    ADD CONSTRAINT champion_model_version_fkey FOREIGN KEY (model, version) REFERENCES public.model_versions(model, version);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_model_version_fkey FOREIGN KEY (model, version) REFERENCES public.model_versions(model, version);
ALTER TABLE ONLY public.history
    ADD CONSTRAINT history_evidence_hash_fkey FOREIGN KEY (evidence_hash) REFERENCES public.evidence(hash);
ALTER TABLE ONLY public.history
    ADD CONSTRAINT history_model_version_fkey FOREIGN KEY (model, version) REFERENCES public.model_versions(model, version);
