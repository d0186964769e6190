-- Database and roles of Chargeyard, for a PostgreSQL (15 or newer) of your own. Run once, as a superuser:
--
--   DATABASE_OWNER_PASSWORD=... DATABASE_APP_PASSWORD=... psql --no-psqlrc -d postgres -f roles.sql
--
-- chargeyard_owner owns the schema and runs its migrations (DATABASE_OWNER_URL); chargeyard_app reads and writes rows
-- and can change no table (DATABASE_URL). Running it again sets the passwords and the privileges anew.
\set ON_ERROR_STOP on
\getenv owner_password DATABASE_OWNER_PASSWORD
\getenv app_password DATABASE_APP_PASSWORD
\if :{?owner_password} \else
  \warn 'DATABASE_OWNER_PASSWORD is not set.'
  SELECT 1 / 0;
\endif
\if :{?app_password} \else
  \warn 'DATABASE_APP_PASSWORD is not set.'
  SELECT 1 / 0;
\endif

SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['chargeyard_owner', 'chargeyard_app']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE chargeyard_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'owner_password';
ALTER ROLE chargeyard_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'app_password';

SELECT 'CREATE DATABASE chargeyard OWNER chargeyard_owner ENCODING ''UTF8'' TEMPLATE template0'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'chargeyard')
\gexec

\connect chargeyard
REVOKE CONNECT ON DATABASE chargeyard FROM PUBLIC;
GRANT CONNECT ON DATABASE chargeyard TO chargeyard_app;
ALTER SCHEMA public OWNER TO chargeyard_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO chargeyard_app;
ALTER DEFAULT PRIVILEGES FOR ROLE chargeyard_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO chargeyard_app;
ALTER DEFAULT PRIVILEGES FOR ROLE chargeyard_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO chargeyard_app;
ALTER DEFAULT PRIVILEGES FOR ROLE chargeyard_owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO chargeyard_app;
