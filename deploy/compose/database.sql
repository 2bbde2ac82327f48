-- Makes the service's role and its database. The image runs it once, when the volume is empty.

\set password `cat /run/secrets/database_password`

-- Not a superuser. The owner of a database may create pg_trgm, because it is a trusted extension.
CREATE ROLE webhook LOGIN PASSWORD :'password';
CREATE DATABASE webhook OWNER webhook;

-- From here on, the superuser can log in only through the container's own socket.
ALTER ROLE postgres PASSWORD NULL;
