# MediaWiki on PostgreSQL, on one server with its database. tools/target/profile.md explains every key.

[profile]
name = mediawiki
title = MediaWiki

[program]
search = /opt/mediawiki, /opt/mediawiki-*, /srv/www/mediawiki, /var/www/mediawiki, /var/www/html/mediawiki
version-file = includes/Defines.php
version-pattern = 'MW_VERSION', '([0-9]+\.[0-9]+\.[^']+)'

[configuration]
paths = /srv/mediawiki/LocalSettings.php

[attachments]
paths = /srv/mediawiki/images

[keep]
# A link to the attachments, and a LocalSettings.php where a site has it inside of the tree.
paths = images, LocalSettings.php

[database]
engine = postgresql-cluster
cluster = /var/lib/postgresql/*/main
config = /etc/postgresql/*/main/postgresql.conf
hba = /etc/postgresql/*/main/pg_hba.conf
name = wikidb
user = postgres
schema = mediawiki

[services]
units = mediawiki.service, mediawiki-jobs.timer, mediawiki-jobs.service
database-units = postgresql.service

[start web]
command = /usr/bin/php -d opcache.enable_cli=1 -d apc.enable_cli=1 -d memory_limit=256M -S 127.0.0.1:8080 -t /opt/mediawiki
user = www-data
folder = /opt/mediawiki
environment = MW_CONFIG_FILE=/srv/mediawiki/LocalSettings.php PHP_CLI_SERVER_WORKERS=2
ready-url = http://127.0.0.1:8080/api.php?action=query&meta=siteinfo&format=json
ready-timeout-sec = 300

# siteinfo answers even when program and schema do not fit: only a page tells.
[health]
url = http://127.0.0.1:8080/index.php?title=Main_Page
match = id="mw-content-text"
timeout-sec = 180

[health login]
url = http://127.0.0.1:8080/index.php?title=Special:UserLogin
match = name="wpLoginToken"
timeout-sec = 180

[queries]
roles = SELECT ug_group, count(*) FROM mediawiki.user_groups WHERE ug_expiry IS NULL OR ug_expiry > now() GROUP BY ug_group
user-roles = SELECT user_name, ug_group FROM mediawiki.user_groups JOIN mediawiki."user" ON user_id = ug_user WHERE ug_expiry IS NULL OR ug_expiry > now()
attachments = SELECT left(md5(img_name), 1) || '/' || left(md5(img_name), 2) || '/' || img_name FROM mediawiki.image UNION ALL SELECT 'archive/' || left(md5(oi_name), 1) || '/' || left(md5(oi_name), 2) || '/' || oi_archive_name FROM mediawiki.oldimage WHERE oi_archive_name <> ''

# What the site has of these before the upgrade stays; more after it would be the upgrade's doing.
[orphans revisions]
title = revisions of no page
query = SELECT rev_id FROM mediawiki.revision WHERE NOT EXISTS (SELECT FROM mediawiki.page WHERE page_id = rev_page)

[orphans slots]
title = slots of no revision, deleted ones included
query = SELECT slot_revision_id FROM mediawiki.slots WHERE NOT EXISTS (SELECT FROM mediawiki.revision WHERE rev_id = slot_revision_id) AND NOT EXISTS (SELECT FROM mediawiki.archive WHERE ar_rev_id = slot_revision_id)

[orphans contents]
title = contents whose text is gone
query = SELECT content_address FROM mediawiki.content WHERE content_address ~ '^tt:[0-9]' AND NOT EXISTS (SELECT FROM mediawiki.text WHERE old_id = substring(content_address FROM '^tt:([0-9]+)')::bigint)

[orphans groups]
title = groups of no user
query = SELECT ug_user || ' ' || ug_group FROM mediawiki.user_groups WHERE NOT EXISTS (SELECT FROM mediawiki."user" WHERE user_id = ug_user)

[metrics]
pages = SELECT count(*) FROM mediawiki.page
revisions = SELECT count(*) FROM mediawiki.revision
users = SELECT count(*) FROM mediawiki."user" WHERE user_password <> ''
users-with-groups = SELECT count(*) FROM mediawiki.user_groups
files = SELECT count(*) FROM mediawiki.image
bytes-of-text = SELECT coalesce(sum(octet_length(old_text)), 0) FROM mediawiki.text
