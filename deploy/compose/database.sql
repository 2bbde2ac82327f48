-- Run once by the image, when the volume is empty: the service's role and its database.

\set password `cat /run/secrets/database_password`

-- Not a superuser. As the owner of the database it may create pg_trgm, which is a trusted extension.
CREATE ROLE webhook LOGIN PASSWORD :'password';
CREATE DATABASE webhook OWNER webhook;

-- From now on the superuser gets in only by the container's own socket.
ALTER ROLE postgres PASSWORD NULL;
