-- PostgreSQL does this in no transaction, and Flyway finds that out by itself; so does Caisson.
CREATE INDEX CONCURRENTLY announcement_shown ON announcement (shown_until);
