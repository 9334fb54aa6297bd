-- The roles and the database of Audiatur on a Postgres server of yours. Run once, as a superuser:
--
--   OWNER_PASSWORD=... WEB_PASSWORD=... LINK_PASSWORD=... psql -X -d postgres -f docs/roles.sql
--
-- audiatur_owner migrates and owns the tables; audiatur_web is web and workers; audiatur_link is
-- the process of the public links. The groups carry the rights, and the migrations grant them.
\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv web_password WEB_PASSWORD
\getenv link_password LINK_PASSWORD

CREATE ROLE audiatur_app NOLOGIN;
CREATE ROLE audiatur_public NOLOGIN;
CREATE ROLE audiatur_purge NOLOGIN;

CREATE ROLE audiatur_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE audiatur_web LOGIN PASSWORD :'web_password' IN ROLE audiatur_app;
CREATE ROLE audiatur_link LOGIN PASSWORD :'link_password' IN ROLE audiatur_public;

-- The first migration makes the owner a member of the groups, which asks for this right.
GRANT audiatur_app, audiatur_public, audiatur_purge TO audiatur_owner WITH ADMIN OPTION;

CREATE DATABASE audiatur OWNER audiatur_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE audiatur FROM PUBLIC;
GRANT CONNECT ON DATABASE audiatur TO audiatur_web, audiatur_link;

\connect audiatur
-- A starting server looks up at which version the tables are. Made here, so that it may look from
-- the first day on without a right to anything else of the owner's.
CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
ALTER TABLE alembic_version OWNER TO audiatur_owner;
GRANT SELECT ON alembic_version TO audiatur_app;

-- Large objects lie outside all rights to tables, and a lock held by one login stops the others:
-- what Postgres lets everybody do, only those may who need it.
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT p.oid::regprocedure AS name, p.proname LIKE 'pg%advisory%' AS locks FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
            AND (p.proname LIKE 'pg\_advisory%' OR p.proname LIKE 'pg\_try\_advisory%'
                OR p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_export',
                    'lo_open', 'lo_put', 'lo_get', 'lo_unlink', 'lowrite'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', found.name);
        IF found.locks THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO audiatur_owner, audiatur_app',
                found.name);
        END IF;
    END LOOP;
END $$;
