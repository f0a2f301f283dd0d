# Tiny, an application that exists for tests alone (tests/tiny/README.md).

[profile]
name = tiny
title = Tiny, an application for tests

[program]
root = /opt/tiny
version-file = VERSION
version-pattern = ^([0-9]+\.[0-9]+)$

[configuration]
paths = /etc/tiny.conf

[attachments]
paths = /srv/tiny/files

[keep]
paths = plugins/*, theme.css

[database]
engine = postgresql-cluster
cluster = /var/lib/postgresql/*/main
config = /etc/postgresql/*/main/postgresql.conf
hba = /etc/postgresql/*/main/pg_hba.conf
name = tiny

[services]
units = tiny.service, tiny-jobs.timer, tiny-jobs.service
database-units = postgresql.service

[start web]
command = /opt/tiny/bin/tinyd 8080
user = www-data
ready-url = http://127.0.0.1:8080/status

[health]
url = http://127.0.0.1:8080/page/1
match = <h1>

[queries]
roles = SELECT role, count(*) FROM member GROUP BY role
user-roles = SELECT coalesce(to_jsonb(member) ->> 'login', to_jsonb(member) ->> 'name'), role FROM member
attachments = SELECT path FROM file

[orphans pages]
title = pages whose author is gone
query = SELECT id FROM page WHERE NOT EXISTS (SELECT FROM member WHERE coalesce(to_jsonb(member) ->> 'login', to_jsonb(member) ->> 'name') = author)

[orphans files]
title = files of no page
query = SELECT path FROM file WHERE page IS NULL ORDER BY path

[metrics]
members = SELECT count(*) FROM member
pages = SELECT count(*) FROM page
files = SELECT count(*) FROM file
